package registrar

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/caddy-telegram/telegramwebhook/internal/botapi"
	"github.com/caddy-telegram/telegramwebhook/internal/registry"
)

const recordKey = "telegram_webhook/1/registration.json"

// TestBrokenOff ends a configuration in the middle of its call: it is finished
// and taken down if it does not take long, and the lock is given back in any case.
func TestBrokenOff(t *testing.T) {
	for name, tc := range map[string]struct {
		slow   time.Duration
		calls  int
		events string
	}{
		"a call of a second": {time.Second, 1, "[registered]"},
		"a call of a minute": {time.Minute, 2, "[]"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				api, storage := &telegram{slow: tc.slow}, newMemory()
				n := run(t, "a", api, storage, wanted)
				settle(500 * time.Millisecond)
				wantCalls(t, api, 1, "in the middle")
				n.stop()
				api.change(func(a *telegram) { a.slow = 0 })
				next := run(t, "a", api, storage, wanted)
				defer next.stop()
				settle(grace + time.Second)
				next.want(t, Registered)
				wantCalls(t, api, tc.calls, "after the reload")
				if n.told("webhook not registered") > 0 {
					t.Error("what was broken off was reported as an error")
				}
				if events := fmt.Sprint(*n.events); events != tc.events {
					t.Errorf("the one that was stopped has told %s, want %s", events, tc.events)
				}
			})
		})
	}
}

// TestStop stops one that works, one that waits for the lock, and one in a
// storage that hangs.
func TestStop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		bot, release, err := registry.Claim("stopped", 1, "a")
		if err != nil {
			t.Fatal(err)
		}
		defer release()
		api, storage := new(telegram), newMemory()
		config := runFor(t, "a", bot, api, storage, wanted)
		settle(time.Second)
		config.stop()
		synctest.Wait()

		lock := func() {
			if err := storage.Lock(context.Background(), "telegram_webhook/1"); err != nil {
				t.Fatal(err)
			}
		}
		lock()
		waiting := Start(config.Config)
		synctest.Wait()
		before := time.Now()
		waiting.Stop()
		waiting.Wait()
		if took := time.Since(before); took > 0 {
			t.Errorf("one that waits for the lock took %s to stop", took)
		}
		if bot.Leads(waiting.Registrar) || !bot.Leads(config.Registrar) {
			t.Error("the one before does not lead again")
		}

		hangs := config.Config
		hang := make(chan struct{})
		hangs.Webhook = func() (botapi.Webhook, error) { <-hang; return wanted, nil }
		hanging := Start(hangs)
		synctest.Wait()
		before = time.Now()
		hanging.Stop()
		hanging.Wait()
		if took := time.Since(before); took != stopPatience {
			t.Errorf("one that hangs took %s to stop, want %s", took, stopPatience)
		}
		close(hang)
	})
}

// TestNewerVersion has a record of a version of which nothing is known.
func TestNewerVersion(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		api, storage := new(telegram), newMemory()
		const content = `{"version": 2, "fingerprint": {"of": "another kind"}, "more": true}`
		storage.items[recordKey] = []byte(content)
		n := run(t, "a", api, storage, wanted)
		defer n.stop()
		settle(time.Hour)
		n.want(t, Failing)
		wantCalls(t, api, 0, "with a record of a newer version")
		if got := string(storage.items[recordKey]); got != content {
			t.Errorf("the record was overwritten with %s", got)
		}
		entries := n.logs.FilterMessage("webhook not registered").All()
		if len(entries) != 1 || !strings.Contains(fmt.Sprint(entries[0].ContextMap()["remedy"]), "update this node") {
			t.Errorf("in the log: %v", entries)
		}
		storage.change(func() { delete(storage.items, recordKey) })
		settle(lastBackoff * 6 / 5)
		n.want(t, Registered)
	})
}

// TestPanic has a storage that panics, with a secret in what it panics with.
func TestPanic(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		api, storage := new(telegram), newMemory()
		storage.panics = true
		n := run(t, "a", api, storage, wanted)
		defer n.stop()
		settle(time.Second / 2)
		n.want(t, Failing)
		if text := fmt.Sprint(n.logs.All()); !strings.Contains(text, "panic in the registrar") || strings.Contains(text, wanted.Secret) {
			t.Errorf("in the log, want the panic without the secret: %s", text)
		}
		storage.change(func() { storage.panics = false })
		settle(5 * time.Second)
		n.want(t, Registered)
	})
}

// TestChangingError fails with another text each time, and then in another way.
func TestChangingError(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := 0
		api := &telegram{fail: func() error {
			n++
			return &botapi.Error{Code: 429, RetryAfter: time.Second, Description: fmt.Sprintf("retry after %d", n)}
		}}
		node := run(t, "a", api, newMemory(), wanted)
		defer node.stop()
		settle(time.Hour)
		if told := node.told("webhook not registered"); told < 2 || told > 7 {
			t.Errorf("in an hour with %d errors there are %d entries, want one in ten minutes", n, told)
		}
		told := node.told("webhook not registered")
		api.change(func(a *telegram) { a.fail = func() error { return &botapi.Error{Code: 401} } })
		settle(10 * time.Second)
		if node.told("webhook not registered") != told+1 {
			t.Error("an error of another kind is not told at once")
		}
	})
}

// TestContestedFleet has somebody else who takes the webhook away from three
// nodes all the time, and leaves nothing in its place.
func TestContestedFleet(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		api, storage := new(telegram), newMemory()
		var nodes []*node
		for _, name := range []string{"a", "b", "c"} {
			n := run(t, name, api, storage, wanted)
			defer n.stop()
			nodes = append(nodes, n)
		}
		settle(time.Second)
		for range 18 {
			api.change(func(a *telegram) { a.info = botapi.WebhookInfo{} })
			for _, n := range nodes {
				n.Kick()
			}
			settle(30 * time.Second)
		}
		if repairs := api.calls() - 1; repairs != maxRepairs {
			t.Errorf("%d repairs in 9 minutes, want %d by all of them", repairs, maxRepairs)
		}
		contested := 0
		for _, n := range nodes {
			n.want(t, Contested)
			for _, entry := range n.logs.FilterMessage("webhook contested").All() {
				contested++
				if found := entry.ContextMap()["found"]; found != "no webhook at all" {
					t.Errorf("contested, found %q", found)
				}
			}
			if lost := n.told("webhook lost: somebody else has changed it"); lost > maxRepairs+1 {
				t.Errorf("the loss was told %d times", lost)
			}
		}
		if contested < len(nodes) {
			t.Errorf("%d of %d nodes have told that it is contested", contested, len(nodes))
		}
	})
}

// TestSuspicionOutlastsError has Telegram refuse the call that a suspicion makes.
func TestSuspicionOutlastsError(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		api := new(telegram)
		n := run(t, "a", api, newMemory(), wanted)
		defer n.stop()
		settle(2 * time.Minute)
		failed := false
		api.change(func(a *telegram) {
			a.fail = func() error {
				if failed || len(a.sets) < 2 {
					return nil
				}
				failed = true // of the call that the suspicion makes
				return errors.New("away")
			}
		})
		n.Suspect()
		settle(time.Second / 2)
		n.want(t, Failing)
		settle(time.Minute)
		n.want(t, Registered)
		wantCalls(t, api, 3, "after an error in between")
	})
}

// TestClockAhead has a node and a Telegram whose clocks are a little ahead.
func TestClockAhead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		api, storage := new(telegram), newMemory()
		n := run(t, "a", api, storage, wanted)
		defer n.stop()
		settle(2 * time.Minute)
		ahead := time.Now().Add(10 * time.Second)
		rec, err := n.store.load(context.Background())
		if err != nil {
			t.Fatal(err)
		}
		rec.RegisteredAt, rec.Process = ahead, "another"
		if err := n.store.save(context.Background(), rec); err != nil {
			t.Fatal(err)
		}
		n.Suspect()
		settle(time.Second)
		wantCalls(t, api, 1, "just after another node has registered")
		api.change(func(a *telegram) { a.info.LastErrorDate = time.Now().Add(interval + 10*time.Second) })
		settle(interval)
		settle(interval)
		if n := n.told("Telegram cannot deliver updates"); n != 1 {
			t.Errorf("an error a little ahead of this clock was told %d times", n)
		}
	})
}

// TestKnownInfo asks what is known while Telegram cannot be asked.
func TestKnownInfo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		api := new(telegram)
		api.info.PendingUpdateCount = 7
		n := run(t, "a", api, newMemory(), wanted)
		defer n.stop()
		settle(time.Second)
		api.change(func(a *telegram) { a.fail = func() error { return errors.New("away") } })
		settle(2 * interval)
		n.want(t, Failing)
		if got := n.Status().Info.PendingUpdateCount; got != 7 {
			t.Errorf("%d updates pending, want the 7 that Telegram last told", got)
		}
	})
}

// TestEventsHoldNoLock has a subscriber that needs the lock itself.
func TestEventsHoldNoLock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		storage := newMemory()
		bot, release, err := registry.Claim("events", 1, "a")
		if err != nil {
			t.Fatal(err)
		}
		defer release()
		once := runFor(t, "a", bot, new(telegram), newMemory(), wanted)
		once.stop()
		synctest.Wait()
		config := once.Config
		config.Storage = storage
		emitted := 0
		config.API = new(telegram)
		config.Emit = func(string, map[string]any) {
			ctx, cancel := context.WithTimeout(context.Background(), time.Second)
			defer cancel()
			if err := storage.Lock(ctx, "telegram_webhook/1"); err != nil {
				t.Errorf("in an event: %v", err)
				return
			}
			emitted++
			_ = storage.Unlock(ctx, "telegram_webhook/1")
		}
		n := Start(config)
		settle(5 * time.Second)
		n.Stop()
		if emitted != 1 {
			t.Errorf("%d events, want 1", emitted)
		}
	})
}
