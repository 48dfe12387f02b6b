package telegramwebhook

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"
)

// TestOneWrite has a bot that looks at what a single read of its connection
// brings: a short update all at once, header and body.
func TestOneWrite(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	body := []byte(`{"update_id":1,"message":{"text":"hi"}}`) // as update sends it
	whole := make(chan bool, 100)
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				buf := make([]byte, 64<<10)
				for {
					n, err := conn.Read(buf)
					if err != nil {
						return
					}
					at := bytes.Index(buf[:n], []byte("\r\n\r\n"))
					whole <- at >= 0 && bytes.Equal(buf[at+4:n], body)
					if n == at+4 {
						_, _ = io.ReadFull(conn, buf[:len(body)])
					}
					_, _ = io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
				}
			}()
		}
	}()
	port := freePort(t)
	c := startCaddy(t, globals()+fmt.Sprintf("https://localhost:%d {\n\ttelegram_webhook {env.TELEGRAM_SECRET}\n\treverse_proxy %s\n}\n", port, l.Addr()))
	for range 20 {
		if resp := do(t, c.client(), update(t, fmt.Sprintf("https://localhost:%d", port), rightSecret)); resp.status != http.StatusOK {
			t.Fatalf("got %d", resp.status)
		}
		if !<-whole {
			t.Fatal("the bot reads the header and the body one after the other")
		}
	}
}

// TestIdleConnections has a bot that is called on as many connections at once as
// Telegram opens, twice: the second time it is not connected to anew.
func TestIdleConnections(t *testing.T) {
	t.Parallel()
	const bursts, each = 2, 60
	var opened atomic.Int64
	arrived, all := make(chan struct{}, each), make([]chan struct{}, bursts)
	for i := range all {
		all[i] = make(chan struct{})
	}
	var burst atomic.Int64
	bot := httptest.NewUnstartedServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		now := all[burst.Load()]
		arrived <- struct{}{}
		<-now
	}))
	bot.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			opened.Add(1)
		}
	}
	bot.Start()
	t.Cleanup(bot.Close)
	port := freePort(t)
	c := startCaddy(t, globals()+fmt.Sprintf("https://localhost:%d {\n\ttelegram_webhook {env.TELEGRAM_SECRET}\n\treverse_proxy %s\n}\n", port, bot.Listener.Addr()))
	client := c.client()
	for i := range bursts {
		burst.Store(int64(i))
		var sent sync.WaitGroup
		for range each {
			sent.Go(func() {
				resp, err := client.Do(update(t, fmt.Sprintf("https://localhost:%d", port), rightSecret))
				if err != nil {
					t.Error(err)
					return
				}
				resp.Body.Close()
			})
		}
		for range each {
			within(t, "they are all there", arrived)
		}
		close(all[i])
		sent.Wait()
	}
	// One or two may not be back yet when the second burst begins. By Caddy's default
	// 28 of the first would have been closed.
	if n := opened.Load(); n > each+10 {
		t.Errorf("the bot was connected to %d times, want about %d", n, each)
	}
}
