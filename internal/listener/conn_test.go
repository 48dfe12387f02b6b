package listener

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/caddy-telegram/telegramwebhook/internal/boundedlog"
	"github.com/caddy-telegram/telegramwebhook/internal/clientip"
)

// newWrapper lets only the addresses from 127.0.0.8 to 127.0.0.15 connect.
func newWrapper(t testing.TB) (*Wrapper, *observer.ObservedLogs) {
	t.Helper()
	only, err := clientip.Parse("127.0.0.8/29")
	if err != nil {
		t.Fatal(err)
	}
	core, logs := observer.New(zap.WarnLevel)
	return &Wrapper{only: only, droppedLog: boundedlog.New(zap.New(core), zap.WarnLevel, "connection dropped", zap.Skip, reasons...)}, logs
}

func listen(t testing.TB) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}

func dial(t testing.TB, from byte, to net.Addr) net.Conn {
	t.Helper()
	dialer := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, from)}, Timeout: 10 * time.Second}
	c, err := dialer.Dial("tcp4", to.String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	_ = c.SetDeadline(time.Now().Add(time.Minute))
	return c
}

// TestDrop has connections wait together, some of which may come in: those work,
// and the others are reset.
func TestDrop(t *testing.T) {
	w, logs := newWrapper(t)
	l := w.WrapListener(listen(t))
	const n = 40
	var clients []net.Conn
	for i := range n {
		from := byte(1) // may not
		if i%4 == 3 {
			from = 9
		}
		clients = append(clients, dial(t, from, l.Addr()))
	}
	served := make(chan error, n)
	for range n {
		c, err := l.Accept()
		if err != nil {
			t.Fatal(err)
		}
		go func() {
			defer c.Close()
			_, err := c.Read(make([]byte, 5))
			if err == nil {
				_, err = fmt.Fprint(c, c.RemoteAddr())
			}
			served <- err
		}()
	}
	for i, c := range clients {
		if i%4 == 3 {
			_, _ = io.WriteString(c, "hello")
		}
		got, err := io.ReadAll(c)
		if i%4 == 3 && string(got) != c.LocalAddr().String() {
			t.Errorf("connection %d from %s: got %q, %v", i, c.LocalAddr(), got, err)
		} else if i%4 != 3 && !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("connection %d from %s: got %q, %v, want a reset", i, c.LocalAddr(), got, err)
		}
	}
	eof := 0
	for range n {
		if err := <-served; errors.Is(err, io.EOF) {
			eof++
		} else if err != nil {
			t.Error(err)
		}
	}
	w.droppedLog.Close()
	dropped := 0
	for _, e := range logs.All() {
		if more, ok := e.ContextMap()["more"].(uint64); ok {
			dropped += int(more)
		} else {
			dropped++
		}
	}
	if dropped != n*3/4 || eof != dropped {
		t.Errorf("%d were dropped, and the log tells of %d, want %d", eof, dropped, n*3/4)
	}
}

// slowListener gives connections whose peer is not known yet.
type slowListener struct{ net.Listener }

type slowConn struct{ net.Conn }

func (l slowListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	return slowConn{c}, err
}

func (slowConn) RemoteAddr() net.Addr { select {} }

// TestAcceptAsksNothing accepts connections of which nothing is known yet.
func TestAcceptAsksNothing(t *testing.T) {
	w, _ := newWrapper(t)
	l := w.WrapListener(slowListener{listen(t)})
	accepted := make(chan error)
	for range 3 {
		dial(t, 1, l.Addr())
		go func() {
			_, err := l.Accept()
			accepted <- err
		}()
		select {
		case err := <-accepted:
			if err != nil {
				t.Fatal(err)
			}
		case <-time.After(10 * time.Second):
			t.Fatal("Accept waits for the peer's address")
		}
	}
}

// TestUnixSocket has a peer without an address: it may always connect.
func TestUnixSocket(t *testing.T) {
	w, _ := newWrapper(t)
	inner, err := net.Listen("unix", filepath.Join(t.TempDir(), "s"))
	if err != nil {
		t.Fatal(err)
	}
	l := w.WrapListener(inner)
	defer l.Close()
	client, err := net.Dial("unix", inner.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	_, _ = io.WriteString(client, "hello")
	c, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := c.Read(make([]byte, 5)); err != nil {
		t.Error(err)
	}
}

// countingConn counts what net/http makes use of beside net.Conn.
type countingListener struct {
	net.Listener
	readFrom, closeWrite chan struct{}
}

type countingConn struct {
	*net.TCPConn
	l *countingListener
}

func (l *countingListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &countingConn{c.(*net.TCPConn), l}, nil
}

func (c *countingConn) ReadFrom(r io.Reader) (int64, error) {
	c.l.readFrom <- struct{}{}
	return c.TCPConn.ReadFrom(r)
}

func (c *countingConn) CloseWrite() error {
	c.l.closeWrite <- struct{}{}
	return c.TCPConn.CloseWrite()
}

// TestPlainServer has net/http send a file and half-close a connection through the
// wrapper, as it does without.
func TestPlainServer(t *testing.T) {
	w, _ := newWrapper(t)
	counting := &countingListener{listen(t), make(chan struct{}, 10), make(chan struct{}, 10)}
	file := filepath.Join(t.TempDir(), "file")
	content := make([]byte, 100_000)
	if err := os.WriteFile(file, content, 0o600); err != nil {
		t.Fatal(err)
	}
	server := &http.Server{MaxHeaderBytes: 1, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { http.ServeFile(w, r, file) })}
	go func() { _ = server.Serve(w.WrapListener(counting)) }()
	defer server.Close()
	client := dial(t, 9, counting.Addr())
	_, _ = io.WriteString(client, "GET /file HTTP/1.1\r\nHost: x\r\n\r\n")
	_, _ = io.WriteString(client, "GET / HTTP/1.1\r\nHost: x\r\nX: "+strings.Repeat("x", 10_000)+"\r\n\r\n") // too long: 431, and closed in halves
	got, err := io.ReadAll(client)
	if err != nil || len(got) < len(content) {
		t.Errorf("got %d bytes, %v", len(got), err)
	}
	if len(counting.readFrom) == 0 {
		t.Error("the file is not sent by ReadFrom")
	}
	if len(counting.closeWrite) == 0 {
		t.Error("the connection is not closed by CloseWrite")
	}
}

// TestOptionalMethods keeps what a connection can do, and promises nothing more.
func TestOptionalMethods(t *testing.T) {
	w, _ := newWrapper(t)
	l := w.WrapListener(slowListener{listen(t)}) // a connection without CloseWrite and ReadFrom
	client := dial(t, 9, l.Addr())
	c, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := c.(*conn).CloseWrite(); !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("CloseWrite: %v", err)
	}
	if n, err := c.(io.ReaderFrom).ReadFrom(io.LimitReader(neverEnding('x'), 1000)); n != 1000 || err != nil {
		t.Errorf("ReadFrom: %d, %v", n, err)
	}
	if _, err := io.ReadFull(client, make([]byte, 1000)); err != nil {
		t.Error(err)
	}
}

type neverEnding byte

func (b neverEnding) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = byte(b)
	}
	return len(p), nil
}

// BenchmarkDrop measures a connection from a barred address, from connect to reset.
func BenchmarkDrop(b *testing.B) {
	w, _ := newWrapper(b)
	w.only, w.Penalty, w.server, w.penalties = nil, &rule, new(caddyhttp.Server), NewPenalties()
	forge(w.penalties, mustRange("127.0.0.1"))
	l := w.WrapListener(listen(b))
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() { _, _ = c.Read(make([]byte, 1)) }()
		}
	}()
	b.ReportAllocs()
	for b.Loop() {
		c, err := net.Dial("tcp4", l.Addr().String())
		if err == nil {
			_, err = c.Read(make([]byte, 1))
			c.Close()
		}
		if !errors.Is(err, syscall.ECONNRESET) { // Dial may see it already
			b.Fatal(err)
		}
	}
}
