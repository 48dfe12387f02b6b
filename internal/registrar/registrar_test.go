package registrar

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/caddy-telegram/telegramwebhook/internal/botapi"
	"github.com/caddy-telegram/telegramwebhook/internal/status"
	"github.com/caddy-telegram/telegramwebhook/internal/storagetest"
	"github.com/caddy-telegram/telegramwebhook/internal/telegramtest"
)

// TestNothingToDo starts again and again with the same configuration.
func TestNothingToDo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		api, n := alone(t, time.Second)
		n.want(t, status.Registered)
		for range 99 {
			n = n.again(t, wanted)
			n.want(t, status.Registered)
		}
		wantCalls(t, api, 1, "after 100 starts")
		if _, dropped := api.Calls("setWebhook")[0].Params["drop_pending_updates"]; dropped {
			t.Error("pending updates were dropped")
		}
	})
}

// TestChangedFields changes each field once.
func TestChangedFields(t *testing.T) {
	for name, change := range map[string]func(*botapi.Webhook){
		"url":             func(w *botapi.Webhook) { w.URL = "https://bot.example.com/other" },
		"secret":          func(w *botapi.Webhook) { w.Secret = "another_0123456789" },
		"allowed_updates": func(w *botapi.Webhook) { w.AllowedUpdates = []string{"message"} },
		"max_connections": func(w *botapi.Webhook) { w.MaxConnections = 41 },
		"ip_address":      func(w *botapi.Webhook) { w.IPAddress = "8.8.8.8" },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				api, n := alone(t, time.Second)
				want := wanted
				change(&want)
				for range 3 {
					n = n.again(t, want)
					n.want(t, status.Registered)
				}
				wantCalls(t, api, 2, "after the change")
				params := api.Calls("setWebhook")[1].Params
				types, _ := json.Marshal(append([]string{}, want.AllowedUpdates...))
				if params["url"] != want.URL || params["secret_token"] != want.Secret || params["allowed_updates"] != string(types) ||
					params["max_connections"] != fmt.Sprint(want.MaxConnections) || params["ip_address"] != want.IPAddress {
					t.Errorf("Telegram was told %v, want %v", params, want)
				}
			})
		})
	}
}

// TestErrors makes every call fail in one way, and then mends it.
func TestErrors(t *testing.T) {
	const soon, rarely = 6 * time.Minute, 20 * time.Minute
	page := func(status int) *telegramtest.Fault {
		return &telegramtest.Fault{Status: status, Body: []byte("<html>a captive portal</html>")}
	}
	for name, tc := range map[string]struct {
		fault *telegramtest.Fault
		least time.Duration // no second call before
		most  time.Duration // a call by then, once it is mended
	}{
		"429":             {refusal(429, "Too Many Requests: retry after 30", `,"parameters":{"retry_after":30}`), 29 * time.Second, 40 * time.Second},
		"409":             {refusal(409, "Conflict: terminated by other setWebhook", ""), 500 * time.Millisecond, soon},
		"401":             {refusal(401, "Unauthorized", ""), 10 * time.Minute, rarely},
		"404":             {refusal(404, "Not Found", ""), 10 * time.Minute, rarely},
		"400":             {refusal(400, "Bad Request: bad webhook: IP address 10.0.0.1 is reserved", ""), 10 * time.Minute, rarely},
		"400, for DNS":    {refusal(400, "Bad Request: bad webhook: Failed to resolve host: Name or service not known", ""), 500 * time.Millisecond, soon},
		"500":             {refusal(500, "Internal Server Error", ""), 500 * time.Millisecond, soon},
		"502 with a page": {page(502), 500 * time.Millisecond, soon},
		"200 with a page": {page(200), 500 * time.Millisecond, soon},
		"10 MiB":          {&telegramtest.Fault{Size: 10 << 20}, 500 * time.Millisecond, soon},
		"cut off":         {&telegramtest.Fault{Body: []byte(`{"ok":tr`), Cut: true}, 500 * time.Millisecond, soon},
		"no answer":       {away, 500 * time.Millisecond, soon},
		"a time-out":      {&telegramtest.Fault{Delay: time.Hour}, 30*time.Second + 500*time.Millisecond, soon},
	} {
		if testing.Short() && tc.fault.Size > 0 { // each call reads megabytes
			continue
		}
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				api := newTelegram(t)
				api.failWith(tc.fault)
				n := run(t, "a", api, storagetest.NewMemory(), wanted)
				settle(tc.least)
				n.want(t, status.Failing)
				if asked := api.comparisons(); asked != 1 {
					t.Errorf("%d calls within %s, want 1", asked, tc.least)
				}
				entries := n.logs.FilterMessage("webhook not registered").All()
				if len(entries) != 1 || entries[0].ContextMap()["remedy"] == "" {
					t.Errorf("in the log: %v, want the error once, and what to do", entries)
				}
				if text := fmt.Sprint(entries); strings.Contains(text, token) || strings.Contains(text, wanted.Secret) {
					t.Errorf("the log holds a secret: %s", text)
				}
				settle(time.Hour)
				if asked := api.comparisons(); asked > 130 {
					t.Errorf("%d calls within an hour", asked)
				}
				if n.logged("webhook not registered") != 1 {
					t.Error("the same error is in the log more than once")
				}
				api.failWith(nil)
				settle(tc.most)
				n.want(t, status.Registered)
				if w := api.registered(); w.URL != wanted.URL || w.Secret != wanted.Secret {
					t.Errorf("Telegram has %q", w.URL)
				}
			})
		})
	}
}

// TestUnknownBot has a token that Telegram does not know.
func TestUnknownBot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		api := newTelegram(t, "987654321:test_token_for_loopback_only_0000000")
		n := run(t, "a", api, storagetest.NewMemory(), wanted)
		settle(time.Hour)
		n.want(t, status.Failing)
		if calls := len(api.Calls("")); calls > 8 {
			t.Errorf("%d calls in an hour for a token that is wrong", calls)
		}
	})
}

// TestReplacedInProcess has an older configuration of the same process that
// never got through.
func TestReplacedInProcess(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		api := newTelegram(t)
		api.failWith(away)
		old := run(t, "a", api, storagetest.NewMemory(), wanted)
		settle(time.Second)
		n := start(t, old.Config, api, newer)
		api.failWith(nil)
		settle(time.Hour)
		for _, call := range api.Calls("setWebhook") {
			if url := call.Params["url"]; url != newer.URL {
				t.Errorf("the older configuration has registered %s", url)
			}
		}
		old.want(t, status.Superseded)
		n.want(t, status.Registered)
	})
}

// TestErased has Telegram refuse an argument of a new configuration: it has erased the
// old webhook by then, and the status says so.
func TestErased(t *testing.T) {
	for description, want := range map[string]string{
		"Bad Request: bad webhook: IP address 10.0.0.1 is reserved": "",
		"Too Many Requests: retry after 1":                          wanted.URL,
	} {
		synctest.Test(t, func(t *testing.T) {
			api, n := alone(t, time.Minute)
			code := 400
			if want != "" {
				code = 429
			}
			api.Fail(func(method string, _ map[string]string) *telegramtest.Fault {
				if method != "setWebhook" {
					return nil
				}
				return refusal(code, description, "")
			})
			changed := start(t, n.Config, api, newer)
			settle(10 * time.Second)
			changed.want(t, status.Failing)
			if got := changed.Status().Telegram.URL; got != want {
				t.Errorf("%s: Telegram is said to have %q, want %q", description, got, want)
			}
		})
	}
}
