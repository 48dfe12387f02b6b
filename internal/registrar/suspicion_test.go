package registrar

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/caddy-telegram/telegramwebhook/internal/status"
	"github.com/caddy-telegram/telegramwebhook/internal/storagetest"
	"github.com/caddy-telegram/telegramwebhook/internal/telegramtest"
)

// TestSuspicion refuses requests from Telegram's addresses, in a flood: another
// installation registers the same address with a secret of its own. That is repaired three
// times, and then left alone for ten minutes.
func TestSuspicion(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		api, n := alone(t, 2*time.Minute)
		flood := func(minutes int) {
			for range 12 * minutes {
				for range 1000 {
					n.Suspect()
				}
				settle(5 * time.Second)
			}
		}
		flood(2)
		wantCalls(t, api, 3, "after two minutes")
		flood(8)
		wantCalls(t, api, 4, "after ten minutes")
		n.want(t, status.Contested)
		contested := n.logs.FilterMessage("webhook contested").All()
		if len(contested) != 1 || contested[0].ContextMap()["found"] != sameAddress || !strings.Contains(fmt.Sprint(contested[0].ContextMap()["remedy"]), "share Caddy's storage") {
			t.Errorf("in the log: %v, want it once, with what to share", contested)
		}
		registered := n.logs.FilterMessage("webhook registered").All()
		if why := registered[len(registered)-1].ContextMap()["reason"]; why != "updates refused for their secret" {
			t.Errorf("the last registration was made for the reason %q", why)
		}
		settle(20 * time.Minute)
		n.want(t, status.Registered)
	})
}

// TestSecretOutOfStep has Telegram meet refusals, though it has what the record
// says: storage was put back from a backup.
func TestSecretOutOfStep(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		api, _ := alone(t, forbiddenPeriod+time.Minute)
		meets := func(message string) { api.meet(message, time.Now()) }
		meets("Wrong response from the webhook: 502 Bad Gateway")
		settle(2 * interval)
		wantCalls(t, api, 1, "after another error")
		meets("Wrong response from the webhook: 403 Forbidden")
		settle(2 * interval)
		wantCalls(t, api, 2, "after refusals")
		settle(2 * interval)
		wantCalls(t, api, 2, "long after that") // the error is older than the registration
	})
}

// TestBotAnswersForbidden has Telegram meet the 403 of the bot, and not of the gate: it
// is no reason to register the webhook again, nor after a restart.
func TestBotAnswersForbidden(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		api, n := alone(t, forbiddenPeriod+time.Minute)
		forbidden := func(n *node) {
			for range 10 { // Telegram sends the update again and again
				n.RecordForbidden()
				api.meet("Wrong response from the webhook: 403 Forbidden", time.Now().Add(time.Second))
				settle(2 * time.Minute)
			}
		}
		forbidden(n)
		wantCalls(t, api, 1, "while the bot refuses")
		n = n.again(t, wanted)
		wantCalls(t, api, 1, "after a restart")
		forbidden(n)
		wantCalls(t, api, 1, "while it still refuses")
		settle(forbiddenPeriod)
		api.meet("Wrong response from the webhook: 403 Forbidden", time.Now())
		settle(2 * interval)
		wantCalls(t, api, 2, "after refusals of the gate, long after the bot's")
	})
}

// TestSuspicionOutlastsError has Telegram refuse the call that a suspicion makes.
func TestSuspicionOutlastsError(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		api, n := alone(t, 2*time.Minute)
		failed := false
		api.Fail(func(method string, _ map[string]string) *telegramtest.Fault {
			if failed || method != "setWebhook" {
				return nil
			}
			failed = true // of the call that the suspicion makes
			return away
		})
		n.Suspect()
		settle(time.Second / 2)
		n.want(t, status.Failing)
		settle(time.Minute)
		n.want(t, status.Registered)
		wantCalls(t, api, 3, "after an error in between")
	})
}

// TestSuspicionInPause has Telegram ask for a pause, which a suspicion does not cut short.
func TestSuspicionInPause(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		api := newTelegram(t)
		api.failWith(refusal(429, "Too Many Requests: retry after 30", `,"parameters":{"retry_after":30}`))
		n := run(t, "a", api, storagetest.NewMemory(), wanted)
		settle(time.Second)
		n.Suspect()
		settle(10 * time.Second)
		if asked := api.comparisons(); asked != 1 {
			t.Errorf("%d calls in the pause, want the one before it", asked)
		}
	})
}
