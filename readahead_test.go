package telegramwebhook

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
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
