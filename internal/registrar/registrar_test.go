package registrar

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"testing"
	"testing/synctest"
	"time"

	"github.com/caddy-telegram/telegramwebhook/internal/botapi"
	"github.com/caddy-telegram/telegramwebhook/internal/registry"
)

// settle lets everything that is under way come to rest.
func settle(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

// TestNothingToDo starts again and again with the same configuration.
func TestNothingToDo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		api, storage := new(telegram), newMemory()
		for range 100 {
			n := run(t, "a", api, storage, wanted)
			settle(time.Second)
			n.want(t, Registered)
			n.stop()
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
				api, storage := new(telegram), newMemory()
				first := run(t, "a", api, storage, wanted)
				settle(time.Second)
				first.stop()
				want := wanted
				change(&want)
				for range 3 {
					n := run(t, "a", api, storage, want)
					settle(time.Second)
					n.want(t, Registered)
					n.stop()
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
				api, storage := &telegram{fail: func() error { return tc.err }}, newMemory()
				n := run(t, "a", api, storage, wanted)
				defer n.stop()
				settle(tc.least)
				n.want(t, Failing)
				if asked := api.comparisons(); asked != 1 {
					t.Errorf("%d calls within %s, want 1", asked, tc.least)
				}
				if n.logs.FilterMessage("webhook not registered").Len() != 1 {
					t.Error("the error is not in the log, or more than once")
				}
				settle(time.Hour)
				if asked := api.comparisons(); asked > 130 {
					t.Errorf("%d calls within an hour", asked)
				}
				if n.logs.FilterMessage("webhook not registered").Len() != 1 {
					t.Error("the same error is in the log more than once")
				}
				api.change(func(a *telegram) { a.fail = nil })
				settle(tc.most)
				n.want(t, Registered)
			})
		})
	}
}

// TestRepair changes the webhook behind the registrar's back.
func TestRepair(t *testing.T) {
	for name, change := range map[string]func(*telegram){
		"another url":           func(a *telegram) { a.info.URL = "https://evil.example.com/" },
		"no url":                func(a *telegram) { a.info.URL = "" },
		"other types":           func(a *telegram) { a.info.AllowedUpdates = []string{"poll"} },
		"fewer connections":     func(a *telegram) { a.info.MaxConnections = 1 },
		"another's certificate": func(a *telegram) { a.info.HasCustomCertificate = true },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				api, storage := new(telegram), newMemory()
				n := run(t, "a", api, storage, wanted)
				defer n.stop()
				settle(time.Second)
				api.change(change)
				settle(interval * 6 / 5)
				wantCalls(t, api, 2, "after an interval")
				n.want(t, Registered)
				if events := fmt.Sprint(*n.events); events != "[registered lost registered]" {
					t.Errorf("events: %s", events)
				}
				settle(10 * interval)
				wantCalls(t, api, 2, "after ten more")
			})
		})
	}
}

// TestContested has somebody else who takes the webhook over all the time.
func TestContested(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		api, storage := new(telegram), newMemory()
		n := run(t, "a", api, storage, wanted)
		defer n.stop()
		settle(time.Second)
		for range 10 {
			api.change(func(a *telegram) { a.info.URL = "https://other.example.com/" })
			n.Kick()
			settle(time.Minute)
		}
		if repairs := api.calls() - 1; repairs > 3 {
			t.Errorf("%d repairs in 10 minutes, want at most 3", repairs)
		}
		n.want(t, Contested)
		contested := n.logs.FilterMessage("webhook contested").All()
		if len(contested) != 1 || contested[0].ContextMap()["found"] != "https://other.example.com/" {
			t.Errorf("in the log: %v, want it once and with the other's url", contested)
		}
		// Left alone, it is taken back.
		settle(20 * time.Minute)
		n.want(t, Registered)
	})
}

// TestFight has two fleets that share nothing but the bot.
func TestFight(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		api := new(telegram)
		other := wanted
		other.URL = "https://other.example.com/"
		a := run(t, "a", api, newMemory(), wanted)
		defer a.stop()
		b := run(t, "b", api, newMemory(), other)
		defer b.stop()
		for range 60 {
			settle(10 * time.Second)
			a.Kick()
			b.Kick()
		}
		if calls := api.calls(); calls > 8 {
			t.Errorf("%d registrations in 10 minutes, want at most 2 first ones and 3 repairs each", calls)
		}
		contested := a.logs.FilterMessage("webhook contested").Len() + b.logs.FilterMessage("webhook contested").Len()
		if contested == 0 {
			t.Error("nobody has noticed")
		}
	})
}

// TestSuspicion refuses requests from Telegram's addresses, in a flood.
func TestSuspicion(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		api, storage := new(telegram), newMemory()
		n := run(t, "a", api, storage, wanted)
		defer n.stop()
		settle(2 * time.Minute)
		for range 60 {
			for range 1000 {
				n.Suspect()
			}
			settle(5 * time.Second)
		}
		if calls := api.calls() - 1; calls < 4 || calls > 6 {
			t.Errorf("%d registrations in 5 minutes of flood, want one a minute", calls)
		}
	})
}

// TestFleet starts three nodes on one storage at once.
func TestFleet(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		api, storage := new(telegram), newMemory()
		var nodes []*node
		for _, name := range []string{"a", "b", "c"} {
			nodes = append(nodes, run(t, name, api, storage, wanted))
		}
		settle(time.Second)
		wantCalls(t, api, 1, "after the start")
		asked := api.comparisons()
		settle(10 * interval)
		if n := api.comparisons() - asked; n > 17 {
			t.Errorf("%d comparisons in 10 intervals, want about one each for the whole fleet", n)
		}
		wantCalls(t, api, 1, "after 10 intervals")

		// A rolling change: each node in turn gets the new configuration.
		changed := wanted
		changed.URL = "https://bot.example.com/new"
		for i, old := range nodes {
			old.stop()
			nodes[i] = run(t, old.Node.Name, api, storage, changed)
			settle(3 * interval)
			if url := api.registered().URL; url != changed.URL {
				t.Errorf("after %d of 3 nodes Telegram has %s", i+1, url)
			}
		}
		wantCalls(t, api, 2, "after a rolling change")
		for _, n := range nodes {
			n.want(t, Registered)
			n.stop()
		}
	})
}

// TestOldNodeStandsDown looks at the nodes that still run what is superseded.
func TestOldNodeStandsDown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		api, storage := new(telegram), newMemory()
		old := run(t, "a", api, storage, wanted)
		defer old.stop()
		settle(time.Second)
		changed := wanted
		changed.Secret = "another"
		n := run(t, "b", api, storage, changed)
		defer n.stop()
		settle(3 * interval)
		old.want(t, Superseded)
		n.want(t, Registered)
		old.Suspect()
		settle(interval)
		wantCalls(t, api, 2, "the old node has called")
	})
}

// TestReplacedInProcess has an older configuration of the same process that
// never got through.
func TestReplacedInProcess(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		api, storage := &telegram{fail: func() error { return errors.New("away") }}, newMemory()
		bot, release, err := registry.Claim("replaced", 1, "a")
		if err != nil {
			t.Fatal(err)
		}
		defer release()
		old := runFor(t, "a", bot, api, storage, wanted)
		defer old.stop()
		settle(time.Second)
		changed := wanted
		changed.URL = "https://bot.example.com/new"
		n := runFor(t, "a", bot, api, storage, changed)
		defer n.stop()
		api.change(func(a *telegram) { a.fail = nil })
		settle(time.Hour)
		for _, w := range api.history() {
			if w.URL != changed.URL {
				t.Errorf("the older configuration has registered %s", w.URL)
			}
		}
		old.want(t, Superseded)
		n.want(t, Registered)
	})
}

// TestStorage loses, damages and breaks the record.
func TestStorage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		api, storage := new(telegram), newMemory()
		n := run(t, "a", api, storage, wanted)
		defer n.stop()
		settle(time.Second)
		storage.change(func() { delete(storage.items, "telegram_webhook/1/registration.json") })
		settle(2 * interval)
		wantCalls(t, api, 2, "after the record was lost")
		storage.change(func() { storage.items["telegram_webhook/1/registration.json"] = []byte("{torn") })
		settle(2 * interval)
		wantCalls(t, api, 3, "after the record was damaged")
		storage.change(func() { storage.fail = errors.New("read-only") })
		settle(2 * interval)
		n.want(t, Failing)
		storage.change(func() { storage.fail = nil })
		settle(2 * interval)
		n.want(t, Registered)
		wantCalls(t, api, 3, "after the storage was away")
	})
}

// TestFullStorage has a storage that takes nothing.
func TestFullStorage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		api, storage := new(telegram), newMemory()
		storage.full = true
		n := run(t, "a", api, storage, wanted)
		defer n.stop()
		settle(10 * interval)
		n.want(t, Failing)
		wantCalls(t, api, 1, "while nothing can be written")
		storage.change(func() { storage.full = false })
		settle(2 * interval)
		n.want(t, Registered)
		wantCalls(t, api, 1, "after it could be written")
	})
}

// TestDeadLock has a lock that its holder never gives back.
func TestDeadLock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		api, storage := new(telegram), newMemory()
		if err := storage.Lock(context.Background(), "telegram_webhook/1"); err != nil {
			t.Fatal(err)
		}
		n := run(t, "a", api, storage, wanted)
		defer n.stop()
		settle(lockWait + time.Second)
		n.want(t, Registered)
	})
}

// TestClockJump has a record from the future.
func TestClockJump(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		api, storage := new(telegram), newMemory()
		future := store{storage: storage, prefix: "telegram_webhook/1"}
		rec := record{Fingerprint: fingerprint([]byte("token"), wanted), URL: wanted.URL, Process: "b",
			RegisteredAt: time.Now().Add(24 * time.Hour), CheckedAt: time.Now().Add(24 * time.Hour)}
		if err := future.save(context.Background(), rec); err != nil {
			t.Fatal(err)
		}
		n := run(t, "a", api, storage, wanted)
		defer n.stop()
		settle(time.Second)
		n.want(t, Registered)
		if api.comparisons() == 0 || api.registered().URL != wanted.URL {
			t.Error("a record from the future was believed")
		}
	})
}

// TestDeliveryErrors has an old error, and then a fresh one.
func TestDeliveryErrors(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		api, storage := new(telegram), newMemory()
		api.info.LastErrorDate = time.Now().Add(-48 * time.Hour)
		n := run(t, "a", api, storage, wanted)
		defer n.stop()
		settle(time.Second)
		api.change(func(a *telegram) {
			a.info.LastErrorDate, a.info.LastErrorMessage, a.info.PendingUpdateCount = time.Now(), "Connection refused", 7
		})
		settle(10 * interval)
		entries := n.logs.FilterMessage("Telegram cannot deliver updates").All()
		if len(entries) != 1 || entries[0].ContextMap()["pending"] != int64(7) {
			t.Errorf("in the log: %v, want the fresh error once", entries)
		}
	})
}

// TestSecretOutOfStep has Telegram meet refusals, though it has what the record
// says: storage was put back from a backup.
func TestSecretOutOfStep(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		api, storage := new(telegram), newMemory()
		n := run(t, "a", api, storage, wanted)
		defer n.stop()
		settle(2 * time.Minute)
		meets := func(message string) {
			api.change(func(a *telegram) { a.info.LastErrorDate, a.info.LastErrorMessage = time.Now(), message })
		}
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
