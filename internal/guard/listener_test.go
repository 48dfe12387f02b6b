package guard

import (
	"fmt"
	"io"
	"net"
	"testing"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/caddy-telegram/telegramwebhook/internal/boundedlog"
	"github.com/caddy-telegram/telegramwebhook/internal/source"
)

// TestListener has connections wait together, some of which may come in: each of
// those works, and the others are reset, in whatever order they came.
func TestListener(t *testing.T) {
	only, err := source.Parse("127.0.0.8/29")
	if err != nil {
		t.Fatal(err)
	}
	for name, strip := range map[string]bool{"by the socket": false, "by Accept alone": true} {
		t.Run(name, func(t *testing.T) {
			core, logs := observer.New(zap.WarnLevel)
			g := &Guard{logger: zap.NewNop(), only: only, dropped: boundedlog.New(zap.New(core), zap.WarnLevel, "connection dropped", skip, reasons...)}
			socket, err := net.Listen("tcp4", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			l := g.WrapListener(socket).(*listener)
			defer l.Close()
			if strip {
				l.socket = nil
			}
			const n = 40
			var clients []net.Conn
			for i := range n {
				last := 1 // may not
				if i%4 == 3 {
					last = 9
				}
				dialer := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, byte(last))}, Timeout: 10 * time.Second}
				conn, err := dialer.Dial("tcp4", socket.Addr().String())
				if err != nil {
					t.Fatal(err)
				}
				defer conn.Close()
				_ = conn.SetDeadline(time.Now().Add(time.Minute))
				clients = append(clients, conn)
			}
			go func() {
				for {
					conn, err := l.Accept()
					if err != nil {
						return
					}
					go func() {
						defer conn.Close()
						_ = conn.SetDeadline(time.Now().Add(time.Minute))
						_, _ = fmt.Fprint(conn, conn.RemoteAddr())
						_, _ = io.Copy(io.Discard, conn)
					}()
				}
			}()
			for i, conn := range clients {
				buf := make([]byte, 100)
				n, err := conn.Read(buf)
				if in := i%4 == 3; in != (err == nil) || in && string(buf[:n]) != conn.LocalAddr().String() {
					t.Errorf("connection %d from %s: got %q, %v", i, conn.LocalAddr(), buf[:n], err)
				}
			}
			g.dropped.Close()
			dropped := 0
			for _, e := range logs.All() {
				if more, ok := e.ContextMap()["more"].(uint64); ok {
					dropped += int(more)
				} else {
					dropped++
				}
			}
			if dropped != n*3/4 {
				t.Errorf("the log tells of %d that were dropped, want %d", dropped, n*3/4)
			}
		})
	}
}

// TestBars looks at which ranges may be left without an answer: none from which
// somebody may come in.
func TestBars(t *testing.T) {
	only, err := source.Parse("telegram", "2001:db8:1:2::7")
	if err != nil {
		t.Fatal(err)
	}
	for address, want := range map[string]bool{
		"203.0.113.9":     true,
		"149.154.160.1":   false,
		"2001:db8:1:2::8": false, // its /64 has one that may
		"2001:db8:1:3::7": true,
	} {
		if got := (&Guard{only: only}).bars(of(address)); got != want {
			t.Errorf("%s: barred %v, want %v", address, got, want)
		}
		if (&Guard{}).bars(of(address)) {
			t.Errorf("%s: barred by a guard without ranges", address)
		}
	}
}
