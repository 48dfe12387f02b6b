package dedupe

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/caddy-telegram/telegramwebhook/internal/answer"
	"github.com/caddy-telegram/telegramwebhook/internal/telegramtest"
)

// telegram is the stand-in and a webhook, joined without a network, so that time
// may be faked.
type telegram struct {
	*telegramtest.Sender
	table Table

	mu       sync.Mutex
	attempts []telegramtest.Attempt
	got      map[int64]int // how often the bot got which update

	cut atomic.Bool // connections break before an answer is read
}

// newTelegram sends to a bot that is behind a Table.
func newTelegram(t *testing.T, connections int, bot func(n int, w http.ResponseWriter, r *http.Request) error) *telegram {
	tg := &telegram{got: make(map[int64]int)}
	rules, err := answer.NewRules("off", 0, 0)
	if err != nil {
		t.Fatal(err)
	}
	once := caddyhttp.HandlerFunc(func(w http.ResponseWriter, r *http.Request) error {
		id := updateID(t, r)
		return tg.table.Deliver(w, r, caddyhttp.HandlerFunc(func(w http.ResponseWriter, r *http.Request) error {
			tg.mu.Lock()
			tg.got[id]++
			n := tg.got[id]
			tg.mu.Unlock()
			return bot(n, w, r)
		}), id, DefaultCount)
	})
	l := listener{conns: make(chan net.Conn), closed: make(chan struct{})}
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		rules.Deliver(w, r, once)
	})}
	go func() { _ = server.Serve(l) }()
	tg.Sender = telegramtest.NewSender(telegramtest.Webhook{URL: "http://bot.example.com/", MaxConnections: connections}, telegramtest.Options{
		Dial: func(context.Context, string, string) (net.Conn, error) {
			near, far := net.Pipe()
			l.conns <- far
			return cuttable{near, &tg.cut}, nil
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

// cuttable is a connection that breaks when an answer comes, if it shall.
type cuttable struct {
	net.Conn
	cut *atomic.Bool
}

func (c cuttable) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	if err == nil && c.cut.Load() {
		_ = c.Close()
		return 0, io.ErrUnexpectedEOF
	}
	return n, err
}

// deliver sends updates and waits until Telegram is rid of them.
func (tg *telegram) deliver(t *testing.T, ids ...int64) {
	t.Helper()
	for _, id := range ids {
		tg.Send(telegramtest.Message(id, id, "hello"))
	}
	if err := tg.Wait(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// wantOnce checks that the bot has got each update once and Telegram one answer.
func (tg *telegram) wantOnce(t *testing.T, updates int) {
	t.Helper()
	tg.mu.Lock()
	defer tg.mu.Unlock()
	for id, n := range tg.got {
		if n != 1 {
			t.Errorf("the bot has got update %d %d times", id, n)
		}
	}
	if stats := tg.Stats(); len(tg.got) != updates || stats.Delivered != updates || stats.Calls != updates {
		t.Errorf("%d updates have reached the bot, %d are delivered, with %d calls in their answers; want %d", len(tg.got), stats.Delivered, stats.Calls, updates)
	}
}

func answerMethod(w http.ResponseWriter) error {
	w.Header().Set("Content-Type", "application/json")
	_, err := io.WriteString(w, methodBody)
	return err
}

// TestSlowBot has a bot that takes longer than Telegram waits, which are 60
// seconds: it gets each update once, and Telegram gets one answer.
func TestSlowBot(t *testing.T) {
	for name, takes := range map[string]time.Duration{
		"59 s": 59 * time.Second, "61 s": 61 * time.Second, "5 min": 5 * time.Minute, "as long as it may": time.Minute + patience - time.Second,
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				tg := newTelegram(t, 40, func(_ int, w http.ResponseWriter, r *http.Request) error {
					select {
					case <-time.After(takes):
						return answerMethod(w)
					case <-r.Context().Done():
						return r.Context().Err()
					}
				})
				start := time.Now()
				tg.deliver(t, 1, 2, 3)
				tg.wantOnce(t, 3)
				// Telegram may just be in a pause when the bot is done.
				if took := time.Since(start); took < takes || took > takes+2*time.Minute {
					t.Errorf("it took %s", took)
				}
				for _, a := range tg.attempts {
					if !a.Delivered && a.Status != 0 {
						t.Errorf("update %d, try %d: got %d", a.UpdateID, a.Try, a.Status)
					}
				}
			})
		})
	}
}

// TestDeadBot has a bot that never answers what it gets first. After ten minutes
// that is canceled, and the update passes again.
func TestDeadBot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var canceled time.Time
		start := time.Now()
		tg := newTelegram(t, 40, func(n int, w http.ResponseWriter, r *http.Request) error {
			if n == 1 {
				<-r.Context().Done()
				canceled = time.Now()
				w.WriteHeader(clientClosed) // as reverse_proxy does
				return nil
			}
			return answerMethod(w)
		})
		tg.deliver(t, 1)
		if took := canceled.Sub(start); took != time.Minute+patience {
			t.Errorf("canceled after %s, want %s", took, time.Minute+patience)
		}
		if n := tg.got[1]; n != 2 {
			t.Errorf("the bot has got it %d times, want 2", n)
		}
		for _, a := range tg.attempts {
			if a.Status == http.StatusServiceUnavailable && a.Pause != 5*time.Second {
				t.Errorf("after the 503 Telegram pauses for %s, want 5s", a.Pause)
			}
		}
	})
}

// TestLostAnswer cuts the connection when the bot's answer comes. What Telegram
// sends again is answered without the bot, the method included.
func TestLostAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tg := newTelegram(t, 1, func(_ int, w http.ResponseWriter, _ *http.Request) error { return answerMethod(w) })
		tg.cut.Store(true)
		tg.Send(telegramtest.Message(1, 1, "hello"))
		time.Sleep(5 * time.Minute)
		tg.cut.Store(false)
		tg.deliver(t)
		tg.wantOnce(t, 1)
		last := tg.attempts[len(tg.attempts)-1]
		if last.Try < 5 || last.Call == nil || last.Call.Method != "sendMessage" || string(last.Body) != methodBody {
			t.Errorf("try %d got %q", last.Try, last.Body)
		}
	})
}

// TestFailures lets the bot fail some times: the update passes until it has
// taken it, and then no more.
func TestFailures(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tg := newTelegram(t, 40, func(n int, w http.ResponseWriter, _ *http.Request) error {
			switch n {
			case 1:
				w.WriteHeader(http.StatusInternalServerError)
			case 2:
				return caddyhttp.HandlerError{StatusCode: http.StatusBadGateway, Err: errors.New("bot hung up")}
			case 3:
				panic(http.ErrAbortHandler)
			case 4:
				w.WriteHeader(http.StatusGone)
			default:
				return answerMethod(w)
			}
			return nil
		})
		tg.deliver(t, 1)
		tg.cut.Store(true)
		var statuses []int
		for _, a := range tg.attempts {
			statuses = append(statuses, a.Status)
		}
		want := []int{500, 502, 0, 503, 200}
		if len(statuses) != len(want) {
			t.Fatalf("Telegram got %v, want %v", statuses, want)
		}
		for i := range want {
			if statuses[i] != want[i] {
				t.Errorf("Telegram got %v, want %v", statuses, want)
			}
		}
	})
}

// TestAbandonedAreBounded hangs up on more updates than a bot may work on.
func TestAbandonedAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		table := new(Table)
		var canceled atomic.Int64
		hang := &bot{answer: func(_ int64, _ http.ResponseWriter, r *http.Request) error {
			<-r.Context().Done()
			canceled.Add(1)
			return context.Canceled
		}}
		client, hangUp := context.WithCancel(t.Context())
		const more = 5
		for id := range int64(maxAbandoned + more) {
			go func() {
				_, err := send(client, table, hang, id)
				if he, ok := errors.AsType[caddyhttp.HandlerError](err); !ok || he.StatusCode != http.StatusServiceUnavailable {
					t.Errorf("got %v, want a 503", err)
				}
			}()
		}
		synctest.Wait()
		hangUp()
		synctest.Wait()
		if n, goOn := canceled.Load(), table.figures().abandoned; n != more || goOn != maxAbandoned {
			t.Errorf("%d are canceled and %d go on, want %d and %d", n, goOn, more, maxAbandoned)
		}
		time.Sleep(patience)
		synctest.Wait()
		if n := canceled.Load(); n != maxAbandoned+more {
			t.Errorf("in the end %d are canceled", n)
		}
		if f := table.figures(); f != (figures{}) {
			t.Errorf("in the end there are %+v", f)
		}
	})
}

// TestClose cancels what nobody waits for when the process ends, and nothing else.
func TestClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		table := new(Table)
		var ended atomic.Int64
		hang := &bot{answer: func(_ int64, _ http.ResponseWriter, r *http.Request) error {
			<-r.Context().Done()
			ended.Add(1)
			return r.Context().Err()
		}}
		gone, hangUp := context.WithCancel(t.Context())
		there, hangUpToo := context.WithCancel(t.Context())
		go func() { _, _ = send(gone, table, hang, 1) }()
		go func() { _, _ = send(there, table, hang, 2) }()
		synctest.Wait()
		hangUp()
		synctest.Wait()
		if n := ended.Load(); n != 0 {
			t.Errorf("%d are canceled before it ends", n)
		}
		table.Close()
		synctest.Wait()
		if n := ended.Load(); n != 1 {
			t.Errorf("%d are canceled, want the one that nobody waits for", n)
		}
		hangUpToo()
		synctest.Wait()
		if n := ended.Load(); n != 2 {
			t.Errorf("%d are canceled after the other client has gone too, want 2", n)
		}
	})
}
