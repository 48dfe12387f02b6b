package deliver

import (
	"errors"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/caddy-telegram/telegramwebhook/internal/telegramtest"
)

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
