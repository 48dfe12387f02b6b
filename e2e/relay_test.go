package e2e

import (
	"bytes"
	"io"
	"net"
	"sync"
	"testing"
)

// relay stands between Caddy and a bot, and keeps every byte that comes to the
// bot, whatever the bot makes of it and in whatever protocol.
type relay struct {
	address string

	mu   sync.Mutex
	kept bytes.Buffer
}

// startRelay hands on to the bot at that address.
func startRelay(t *testing.T, bot string) *relay {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	r := &relay{address: listener.Addr().String()}
	go func() {
		for {
			from, err := listener.Accept()
			if err != nil {
				return
			}
			go r.connect(from, bot)
		}
	}()
	return r
}

// connect ends with whichever side closes first.
func (r *relay) connect(from net.Conn, bot string) {
	defer from.Close()
	to, err := net.Dial("tcp", bot)
	if err != nil {
		return
	}
	defer to.Close()
	go func() {
		defer to.Close()
		_, _ = io.Copy(io.MultiWriter(r, to), from)
	}()
	_, _ = io.Copy(from, to)
}

// Write keeps what passes.
func (r *relay) Write(b []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.kept.Write(b)
}

// saw reports whether that has come to the bot, in upper or lower case.
func (r *relay) saw(text string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return bytes.Contains(bytes.ToLower(r.kept.Bytes()), bytes.ToLower([]byte(text)))
}
