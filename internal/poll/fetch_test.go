package poll

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/caddy-telegram/telegramwebhook/internal/status"
	"github.com/caddy-telegram/telegramwebhook/internal/storagetest"
	"github.com/caddy-telegram/telegramwebhook/internal/telegram"
	"github.com/caddy-telegram/telegramwebhook/internal/telegramtest"
)

// TestLongPolls has nothing to do: Telegram is asked about once in 50 seconds.
func TestLongPolls(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := run(t, newBot(nil))
		settle(10 * time.Minute)
		calls := n.api.Calls("getUpdates")
		if len(calls) < 12 || len(calls) > 14 {
			t.Errorf("%d calls in 10 minutes", len(calls))
		}
		last := calls[len(calls)-1].Params
		equal(t, "parameters", last, map[string]string{"offset": "0", "limit": "100", "timeout": "50", "allowed_updates": "[]"})
		n.want(t, status.Polling)
		if s := n.Status(); time.Since(s.FetchedAt) > time.Minute || s.Waiting != 0 {
			t.Errorf("got %+v", s)
		}
	})
}

// TestArrival delivers an update at once, and confirms it at once.
func TestArrival(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := run(t, newBot(nil))
		settle(10 * time.Second)
		n.send(1, 5)
		settle(time.Millisecond)
		equal(t, "got", n.bot.got(), "1@10")
		equal(t, "pending", n.pending(), 0)
	})
}

// TestPace has one delivery that takes half a minute.
func TestPace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := run(t, newBot(func(_ int, u telegram.Update) *telegram.Answer {
			if u.ID == 1 {
				time.Sleep(30 * time.Second)
			}
			return ok()
		}))
		settle(10 * time.Second)
		before := n.calls()
		n.send(1, 5)
		settle(10 * time.Second)
		n.send(2, 6) // passes meanwhile
		settle(time.Second)
		equal(t, "got", n.bot.got(), "1@10 2@20")
		equal(t, "pending while one is in work", n.pending(), 2)
		settle(19*time.Second - time.Millisecond)
		if during := n.calls() - before; during > 61 || during < 50 {
			t.Errorf("%d calls during the delivery", during)
		}
		settle(time.Second)
		equal(t, "pending", n.pending(), 0)
		before = n.calls()
		settle(40 * time.Second)
		equal(t, "calls after the delivery", n.calls()-before, 0)
	})
}

// TestThroughput fetches the next updates as soon as those before are taken.
func TestThroughput(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := run(t, newBot(func(int, telegram.Update) *telegram.Answer {
			time.Sleep(10 * time.Millisecond)
			return ok()
		}))
		settle(10 * time.Second)
		for i := range int64(2000) {
			n.send(1+i, 1+i%40)
		}
		settle(time.Second)
		equal(t, "pending", n.pending(), 0)
		_, tries := n.bot.count()
		equal(t, "deliveries", tries, 2000)
	})
}

// TestThroughputBesideSlow fetches more when the half before a slow update is taken.
func TestThroughputBesideSlow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNode(t, "a", newAPI(t), storagetest.NewMemory(), newBot(func(_ int, u telegram.Update) *telegram.Answer {
			if u.ID == 80 {
				time.Sleep(10 * time.Second)
			}
			return ok()
		}))
		for i := range int64(179) {
			n.send(1+i, 1+i)
		}
		n.Serve(n.config)
		settle(400 * time.Millisecond)
		if got, _ := n.bot.count(); got < 149 {
			t.Errorf("%d taken", got)
		}
	})
}

// TestErrors fails, with Telegram's errors.
func TestErrors(t *testing.T) {
	refusal := func(code int, more string) *telegramtest.Fault {
		return &telegramtest.Fault{Status: code, Body: fmt.Appendf(nil, `{"ok":false,"error_code":%d,"description":"Refused"%s}`, code, more)}
	}
	for name, tc := range map[string]struct {
		fault         *telegramtest.Fault
		fewest, most  int // calls of getUpdates within the hour
		remedy        string
		recoversAfter time.Duration
	}{
		"network":      {&telegramtest.Fault{Cut: true}, 15, 30, "tried again", 6 * time.Minute},
		"server error": {refusal(502, ""), 15, 30, "tried again", 6 * time.Minute},
		"bad token":    {refusal(401, ""), 3, 6, "check bot_token", 17 * time.Minute},
		"unknown bot":  {refusal(404, ""), 3, 6, "check bot_token", 17 * time.Minute},
		"too many":     {refusal(429, `,"parameters":{"retry_after":600}`), 5, 7, "tried again", 11 * time.Minute},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n := run(t, newBot(nil))
				settle(time.Second)
				n.api.Fail(func(string, map[string]string) *telegramtest.Fault { return tc.fault })
				settle(time.Minute) // the call under way ends
				before := n.calls()
				settle(time.Hour)
				n.want(t, status.Failing)
				if calls := n.calls() - before; calls < tc.fewest || calls > tc.most {
					t.Errorf("%d calls within the hour", calls)
				}
				if s := n.Status(); !strings.Contains(s.Remedy, tc.remedy) || s.Detail == "" {
					t.Errorf("got %+v", s)
				}
				equal(t, "entries", n.logged("updates not fetched"), 1)
				n.api.Fail(nil)
				n.send(1, 5)
				settle(tc.recoversAfter)
				n.want(t, status.Polling)
				equal(t, "taken", n.bot.has(), "1")
				equal(t, "entries", n.logged("fetching updates"), 2)
			})
		})
	}
}

// TestReloadAfterError reloads while a bad token would be tried again rarely.
func TestReloadAfterError(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNode(t, "a", newAPI(t), storagetest.NewMemory(), newBot(nil))
		n.api.Fail(func(string, map[string]string) *telegramtest.Fault {
			return &telegramtest.Fault{Status: 401, Body: []byte(`{"ok":false,"error_code":401,"description":"Unauthorized"}`)}
		})
		n.Serve(n.config)
		settle(time.Minute)
		n.want(t, status.Failing)
		n.api.Fail(nil)
		n.Serve(n.config)
		settle(time.Second)
		n.want(t, status.Polling)
	})
}

// TestTwoInstallations has two nodes that share nothing: each tells of the other, and seldom.
func TestTwoInstallations(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		api := newAPI(t)
		a, b := newNode(t, "a", api, storagetest.NewMemory(), newBot(nil)), newNode(t, "b", api, storagetest.NewMemory(), newBot(nil))
		a.Serve(a.config)
		b.Serve(b.config)
		for id := int64(1); id < 500; id++ {
			a.send(id, 5)
			settle(7 * time.Second)
		}
		for _, n := range []*node{a, b} {
			if entries := n.logged("updates not fetched"); entries < 1 || entries > 5 {
				t.Errorf("%s: %d entries in an hour", n.config.Process, entries)
			}
		}
		b.end()
		settle(15 * time.Minute)
		a.want(t, status.Polling)
	})
}

// TestWebhookInTheWay has a webhook: nothing is fetched, delivered or deleted.
func TestWebhookInTheWay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNode(t, "a", newAPI(t), storagetest.NewMemory(), newBot(nil))
		webhook := map[string]string{"url": "https://bot.example.com/"}
		n.api.TakeOver(token, webhook, nil)
		n.send(1, 5)
		n.Serve(n.config)
		settle(10 * time.Minute)
		n.want(t, status.Failing)
		s := n.Status()
		if !strings.Contains(s.Detail, "https://bot.example.com/") || !strings.Contains(s.Remedy, "caddy telegram-webhook delete") {
			t.Errorf("got %+v", s)
		}
		equal(t, "changes of the webhook", []int{len(n.api.Calls("deleteWebhook")), len(n.api.Calls("setWebhook"))}, []int{0, 0})
		equal(t, "got", n.bot.got(), "")
		for _, call := range n.api.Calls("getUpdates") {
			equal(t, "answer to getUpdates", call.Status, http.StatusConflict)
		}
		if looks := len(n.api.Calls("getWebhookInfo")); looks < 18 || looks > 23 {
			t.Errorf("%d looks at the webhook in 10 minutes", looks)
		}
		equal(t, "entries", n.logged("updates not fetched"), 1)
		n.api.TakeOver(token, nil, nil)
		settle(35 * time.Second)
		n.want(t, status.Polling)
		equal(t, "taken", n.bot.has(), "1")

		// One that comes later gets what was fetched and not taken.
		n.bot.answer = func(int, telegram.Update) *telegram.Answer { return failing(500) }
		n.send(2, 5)
		settle(10 * time.Second)
		n.api.TakeOver(token, webhook, nil)
		settle(10 * time.Second)
		tries := n.bot.got()
		settle(10 * time.Minute)
		equal(t, "tries", n.bot.got(), tries)
		n.want(t, status.Failing)
		equal(t, "entries", n.logged("updates not fetched"), 2)
		if detail := n.Status().Detail; !strings.Contains(detail, "https://bot.example.com/") {
			t.Errorf("got %s", detail)
		}
	})
}

// TestConflict has another program that polls for an hour, and gets some of the updates.
func TestConflict(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := run(t, newBot(nil))
		settle(10 * time.Second)
		offset, end := 0, time.Now().Add(time.Hour)
		go func() {
			for id := int64(1); time.Now().Before(end); id++ {
				n.send(id, 5)
				time.Sleep(7 * time.Second)
			}
		}()
		for time.Now().Before(end) {
			status, updates := query(n.api, offset, 5)
			for _, body := range updates {
				offset = int(telegram.ParseUpdate(string(body)).ID) + 1
			}
			if status == http.StatusConflict {
				time.Sleep(10 * time.Second)
			}
		}
		settle(time.Second)
		s := n.Status()
		if s.State != status.Failing || !strings.Contains(s.Remedy, "framework polls") || !strings.Contains(s.Detail, "other getUpdates") {
			t.Errorf("got %+v", s)
		}
		equal(t, "entries and events", []int{n.logged("updates not fetched"), len(n.bot.events)}, []int{1, 1})
		settle(10 * time.Minute)
		n.want(t, status.Polling)
	})
}

// TestFetchesOn fetches more when most of the window is taken, and does not wait for a slow
// chat.
func TestFetchesOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNode(t, "a", newAPI(t), storagetest.NewMemory(), newBot(func(_ int, u telegram.Update) *telegram.Answer {
			if u.ID == 90 {
				time.Sleep(10 * time.Second)
			}
			return ok()
		}))
		for id := range int64(150) {
			n.send(1+id, 1+id)
		}
		n.Serve(n.config)
		settle(pollInterval / 2)
		equal(t, "waiting", n.Status().Waiting, 1)
		n.bot.mu.Lock()
		defer n.bot.mu.Unlock()
		equal(t, "taken", len(n.bot.taken), 149)
	})
}

// TestOffsetIgnored has a server that returns an expired update whatever the offset is.
func TestOffsetIgnored(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNode(t, "a", newAPI(t), storagetest.NewMemory(), newBot(nil))
		body := fmt.Appendf(nil, `{"ok":true,"result":[{"update_id":1,"message":{"message_id":1,"date":%d,"chat":{"id":5}}}]}`,
			time.Now().Add(-48*time.Hour).Unix())
		n.api.Fail(func(method string, _ map[string]string) *telegramtest.Fault {
			if method != "getUpdates" {
				return nil
			}
			return &telegramtest.Fault{Status: 200, Body: body}
		})
		n.Serve(n.config)
		settle(time.Minute)
		if calls := n.calls(); calls < 100 || calls > 125 {
			t.Errorf("%d calls in a minute", calls)
		}
		equal(t, "got", n.bot.got(), "")
	})
}
