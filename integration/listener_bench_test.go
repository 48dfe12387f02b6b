package integration

import (
	"cmp"
	"context"
	"fmt"
	"net"
	"net/http"
	"sync"
	"testing"

	"github.com/caddy-telegram/telegramwebhook/integration/caddytest"
)

// BenchmarkListener is a genuine update on a new connection beside others that do
// harm, with the listener wrapper and without it: compare the two of each kind.
func BenchmarkListener(b *testing.B) {
	const wrapper = "telegram_webhook {\npenalty 3\n}\n"
	for _, kind := range []struct {
		name, before string
		disturb      func(b *testing.B, port int) (end func())
	}{
		{"silent", "proxy_protocol {\ntimeout 50s\nallow 127.0.0.2/32\n}\n", openSilent},
		{"resets", "", resetConnections},
		{"resets behind another wrapper", "proxy_protocol\n", resetConnections},
	} {
		without := cmp.Or(kind.before, "http_redirect\n") + "tls" // Caddy refuses a list of tls alone
		for name, wrappers := range map[string]string{"with": kind.before + wrapper + "tls", "without": without} {
			b.Run(kind.name+"/"+name, func(b *testing.B) {
				port := caddytest.FreePort(b)
				c := caddytest.Start(b, wrapped(port, okBot(b), wrappers))
				forger, sender := newPeer(b, c, "127.0.0.5", port), newPeer(b, c, "127.0.0.6", port)
				for range 3 {
					forger.post("forged")
				}
				end := kind.disturb(b, port)
				defer end()
				for b.Loop() {
					if status, _ := sender.post(caddytest.RightSecret); status != http.StatusOK {
						b.Fatalf("got %d", status)
					}
				}
			})
		}
	}
}

// openSilent opens 50 connections through a load balancer that say nothing.
func openSilent(b *testing.B, port int) (end func()) {
	var open []net.Conn
	dialer := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP("127.0.0.2")}, Timeout: caddytest.Patience}
	for range 50 {
		conn, err := dialer.Dial("tcp4", fmt.Sprintf("127.0.0.1:%d", port))
		if err != nil {
			b.Fatal(err)
		}
		open = append(open, conn)
	}
	return func() {
		for _, conn := range open {
			conn.Close()
		}
	}
}

// resetConnections has sixteen threads of the forger's address open connections and
// reset them at once.
func resetConnections(b *testing.B, port int) (end func()) {
	ctx, cancel := context.WithCancel(b.Context())
	dialer := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP("127.0.0.5")}, Timeout: caddytest.Patience}
	var threads sync.WaitGroup
	for range 16 {
		threads.Go(func() {
			for i := 0; i < 200_000 && ctx.Err() == nil; i++ {
				if conn, err := dialer.DialContext(ctx, "tcp4", fmt.Sprintf("127.0.0.1:%d", port)); err == nil {
					_ = conn.(*net.TCPConn).SetLinger(0)
					conn.Close()
				}
			}
		})
	}
	return func() { cancel(); threads.Wait() }
}
