package registrar

import (
	"context"
	"errors"
	"reflect"
	"testing"
	"testing/synctest"
	"time"

	"github.com/caddy-telegram/telegramwebhook/internal/botapi"
	"github.com/caddy-telegram/telegramwebhook/internal/storagetest"
)

// TestNothingToDo starts again and again with the same configuration.
func TestNothingToDo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		api, n := alone(t, time.Second)
		n.want(t, Registered)
		for range 99 {
			n = n.again(t, wanted)
			n.want(t, Registered)
		}
		wantCalls(t, api, 1, "after 100 starts")
		if api.registered().DropPendingUpdates {
			t.Error("pending updates were dropped")
		}
	})
}

// TestChangedFields changes each field once.
func TestChangedFields(t *testing.T) {
	for name, change := range map[string]func(*botapi.Webhook){
		"url":             func(w *botapi.Webhook) { w.URL = "https://bot.example.com/other" },
		"secret":          func(w *botapi.Webhook) { w.Secret = "another" },
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
					n.want(t, Registered)
				}
				wantCalls(t, api, 2, "after the change")
				if has := api.registered(); !reflect.DeepEqual(has, want) {
					t.Errorf("Telegram has %v, want %v", has, want)
				}
			})
		})
	}
}

// TestErrors makes every call fail in one way, and then mends it.
func TestErrors(t *testing.T) {
	for name, tc := range map[string]struct {
		err   error
		least time.Duration // no second call before
		most  time.Duration // a call by then, once it is mended
	}{
		"429":                {&botapi.Error{Code: 429, RetryAfter: 30 * time.Second}, 29 * time.Second, 40 * time.Second},
		"409":                {&botapi.Error{Code: 409}, 500 * time.Millisecond, 6 * time.Minute},
		"401":                {&botapi.Error{Code: 401}, 10 * time.Minute, 20 * time.Minute},
		"404":                {&botapi.Error{Code: 404}, 10 * time.Minute, 20 * time.Minute},
		"400":                {&botapi.Error{Code: 400}, 10 * time.Minute, 20 * time.Minute},
		"500":                {&botapi.Error{Code: 500}, 500 * time.Millisecond, 6 * time.Minute},
		"502":                {&botapi.Error{Code: 502}, 500 * time.Millisecond, 6 * time.Minute},
		"connection refused": {errors.New("connection refused"), 500 * time.Millisecond, 6 * time.Minute},
		"a time-out":         {context.DeadlineExceeded, 500 * time.Millisecond, 6 * time.Minute},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				api := new(telegram)
				api.failWith(tc.err)
				n := run(t, "a", api, storagetest.NewMemory(), wanted)
				settle(tc.least)
				n.want(t, Failing)
				if asked := api.comparisons(); asked != 1 {
					t.Errorf("%d calls within %s, want 1", asked, tc.least)
				}
				if n.told("webhook not registered") != 1 {
					t.Error("the error is not in the log, or more than once")
				}
				settle(time.Hour)
				if asked := api.comparisons(); asked > 130 {
					t.Errorf("%d calls within an hour", asked)
				}
				if n.told("webhook not registered") != 1 {
					t.Error("the same error is in the log more than once")
				}
				api.failWith(nil)
				settle(tc.most)
				n.want(t, Registered)
			})
		})
	}
}

// TestReplacedInProcess has an older configuration of the same process that
// never got through.
func TestReplacedInProcess(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		api, storage, bot := new(telegram), storagetest.NewMemory(), claim(t, "a")
		api.failWith(errors.New("away"))
		old := runFor(t, "a", bot, api, storage, wanted)
		settle(time.Second)
		n := runFor(t, "a", bot, api, storage, newer)
		api.failWith(nil)
		settle(time.Hour)
		for _, w := range api.history() {
			if w.URL != newer.URL {
				t.Errorf("the older configuration has registered %s", w.URL)
			}
		}
		old.want(t, Superseded)
		n.want(t, Registered)
	})
}
