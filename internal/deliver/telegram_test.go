package deliver

import (
	"errors"
	"net/http"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/caddy-telegram/telegramwebhook/internal/telegramtest"
)

// TestSlowBot has a bot that takes longer than Telegram waits, which are 60
// seconds. It gets each update once, and Telegram one answer, soon after it is there.
func TestSlowBot(t *testing.T) {
	for name, takes := range map[string]time.Duration{
		"59 s": 59 * time.Second, "61 s": 61 * time.Second, "5 min": 5 * time.Minute, "as long as it may": time.Minute + patience - time.Second,
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var busy atomic.Bool // the first update makes Telegram open more than one connection
				tg := newTelegram(t, 40, func(_ int, w http.ResponseWriter, r *http.Request) error {
					if !busy.Swap(true) {
						return answerMethod(w)
					}
					select {
					case <-time.After(takes):
						return answerMethod(w)
					case <-r.Context().Done():
						return r.Context().Err()
					}
				})
				tg.deliver(t, 9)
				start := time.Now()
				tg.deliver(t, 1, 2, 3)
				tg.wantOnce(t, 4, 4)
				if took := time.Since(start); took < takes || took > takes+5*time.Second {
					t.Errorf("it took %s", took)
				}
				for _, a := range tg.attempts {
					if again := a.Try > 1; !a.Delivered && (again && (a.Status != 503 || a.Pause != 5*time.Second) || !again && a.Status != 0) {
						t.Errorf("update %d, try %d: got %d, then a pause of %s", a.UpdateID, a.Try, a.Status, a.Pause)
					}
				}
			})
		})
	}
}

// TestOtherChatsPass has one connection for everything, as Telegram has on a quiet bot. A
// slow update holds the others up until Telegram hangs up, and not again.
func TestOtherChatsPass(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var slow atomic.Bool
		tg := newTelegram(t, 1, func(_ int, w http.ResponseWriter, r *http.Request) error {
			if !slow.Swap(true) {
				time.Sleep(5 * time.Minute)
			}
			return answerMethod(w)
		})
		tg.Send(telegramtest.Message(1, 1, "slow"))
		time.Sleep(61 * time.Second)
		for id := range int64(20) {
			start := time.Now()
			tg.Send(telegramtest.Message(100+id, 100+id, "hello"))
			synctest.Wait()
			if stats := tg.Stats(); stats.Delivered != int(id)+1 || time.Since(start) > 0 {
				t.Fatalf("update %d waits: %+v", id, stats)
			}
			time.Sleep(7 * time.Second)
		}
		tg.deliver(t)
		tg.wantOnce(t, 21, 21)
	})
}

// TestLostAnswer cuts the connection when an answer comes. What Telegram sends again is
// answered without the bot: with the method once, then without.
func TestLostAnswer(t *testing.T) {
	for cuts, body := range []string{methodBody, methodBody, "", ""} {
		synctest.Test(t, func(t *testing.T) {
			tg := newTelegram(t, 1, func(_ int, w http.ResponseWriter, _ *http.Request) error { return answerMethod(w) })
			tg.cuts.Store(int64(cuts))
			tg.deliver(t, 1)
			tg.wantOnce(t, 1, min(len(body), 1))
			last := tg.attempts[len(tg.attempts)-1]
			if last.Try != cuts+1 || string(last.Body) != body {
				t.Errorf("%d answers are lost: try %d got %q, want %q", cuts, last.Try, last.Body, body)
			}
		})
	}
}

// TestUnreadableAnswer has a bot whose answers Telegram cannot read. They do not come
// back for ever.
func TestUnreadableAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tg := newTelegram(t, 1, func(_ int, w http.ResponseWriter, _ *http.Request) error {
			w.Header().Set("Content-Encoding", "br")
			return answerMethod(w)
		})
		tg.deliver(t, 1)
		tg.wantOnce(t, 1, 0)
		if n := len(tg.attempts); n != 3 {
			t.Errorf("Telegram has tried %d times, want 3", n)
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
