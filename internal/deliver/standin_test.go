package deliver

import (
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/caddy-telegram/telegramwebhook/internal/telegramtest"
)

// standIn is the stand-in and a webhook, joined without a network, so that time
// may be faked.
type standIn struct {
	*telegramtest.Sender
	table *Table

	mu       sync.Mutex
	attempts []telegramtest.Attempt
	got      map[int64]int // how often the bot got which update

	cuts atomic.Int64 // how many connections break before an answer is read
}

// newTelegram sends to a bot that gets each update once.
func newTelegram(t *testing.T, connections int, bot func(n int, w http.ResponseWriter, r *http.Request) error) *standIn {
	tg := &standIn{table: NewTable(), got: make(map[int64]int)}
	rules, err := NewRules("off", 0, 0)
	if err != nil {
		t.Fatal(err)
	}
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		id := updateID(t, r)
		rules.Deliver(w, r, caddyhttp.HandlerFunc(func(w http.ResponseWriter, r *http.Request) error {
			tg.mu.Lock()
			tg.got[id]++
			n := tg.got[id]
			tg.mu.Unlock()
			return bot(n, w, r)
		}), &Once{tg.table, id, DefaultCount})
	})
	l := listener{conns: make(chan net.Conn), closed: make(chan struct{})}
	server := &http.Server{Handler: handler}
	go func() { _ = server.Serve(l) }()
	tg.Sender = telegramtest.NewSender(telegramtest.Webhook{URL: "http://bot.example.com/", MaxConnections: connections}, telegramtest.Options{
		Dial: func(context.Context, string, string) (net.Conn, error) {
			near, far := net.Pipe()
			l.conns <- far
			return cuttable{near, &tg.cuts}, nil
		},
		OnAttempt: func(a telegramtest.Attempt) {
			tg.mu.Lock()
			defer tg.mu.Unlock()
			tg.attempts = append(tg.attempts, a)
		},
	})
	t.Cleanup(func() {
		tg.Close()
		_ = server.Close()
	})
	return tg
}

func updateID(t *testing.T, r *http.Request) int64 {
	var u struct {
		ID int64 `json:"update_id"`
	}
	if err := json.NewDecoder(r.Body).Decode(&u); err != nil {
		t.Error(err)
	}
	_, _ = io.Copy(io.Discard, r.Body) // to its end, so that the server sees who hangs up
	return u.ID
}

// listener takes connections that are made without a network.
type listener struct {
	conns  chan net.Conn
	closed chan struct{}
}

func (l listener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

func (l listener) Close() error {
	close(l.closed)
	return nil
}

func (listener) Addr() net.Addr { return &net.TCPAddr{} }

// cuttable is a connection that breaks when an answer comes, the first times.
type cuttable struct {
	net.Conn
	cuts *atomic.Int64
}

func (c cuttable) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	if err == nil && c.cuts.Add(-1) >= 0 {
		_ = c.Close()
		return 0, io.ErrUnexpectedEOF
	}
	return n, err
}

// deliver sends updates and waits until Telegram is rid of them.
func (tg *standIn) deliver(t *testing.T, ids ...int64) {
	t.Helper()
	for _, id := range ids {
		tg.Send(telegramtest.Message(id, id, "hello"))
	}
	if err := tg.Wait(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// wantOnce checks that the bot has got each update once, and that Telegram has executed
// so many methods.
func (tg *standIn) wantOnce(t *testing.T, updates, calls int) {
	t.Helper()
	tg.mu.Lock()
	defer tg.mu.Unlock()
	for id, n := range tg.got {
		if n != 1 {
			t.Errorf("the bot has got update %d %d times", id, n)
		}
	}
	if stats := tg.Stats(); len(tg.got) != updates || stats.Delivered != updates || stats.Calls != calls {
		t.Errorf("%d updates have reached the bot, %d are delivered, with %d calls in their answers; want %d with %d", len(tg.got), stats.Delivered, stats.Calls, updates, calls)
	}
}

func answerMethod(w http.ResponseWriter) error {
	w.Header().Set("Content-Type", "application/json")
	_, err := io.WriteString(w, methodBody)
	return err
}
