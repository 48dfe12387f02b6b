package registrar

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/caddy-telegram/telegramwebhook/internal/botapi"
	"github.com/caddy-telegram/telegramwebhook/internal/storagetest"
)

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
				api, storage := &telegram{slow: tc.slow}, storagetest.NewMemory()
				n := run(t, "a", api, storage, wanted)
				settle(500 * time.Millisecond)
				wantCalls(t, api, 1, "in the middle")
				n.stop()
				api.change(func(a *telegram) { a.slow = 0 })
				next := run(t, "a", api, storage, wanted)
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
		api, storage, bot := new(telegram), storagetest.NewMemory(), claim(t, "a")
		config := runFor(t, "a", bot, api, storage, wanted)
		settle(time.Second)
		config.stop()
		synctest.Wait()

		if err := storage.Lock(t.Context(), botKey); err != nil {
			t.Fatal(err)
		}
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
		hanging, another := Start(hangs), Start(hangs)
		synctest.Wait()
		before = time.Now()
		hanging.Stop()
		another.Stop()
		hanging.Wait()
		another.Wait()
		if took := time.Since(before); took != stopPatience {
			t.Errorf("two that hang took %s to stop, want %s", took, stopPatience)
		}
		close(hang)
	})
}

// TestEventsHoldNoLock has a subscriber that needs the lock itself.
func TestEventsHoldNoLock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		storage := storagetest.NewMemory()
		once := run(t, "a", new(telegram), storagetest.NewMemory(), wanted)
		once.stop()
		synctest.Wait()
		config := once.Config
		config.Storage = storage
		emitted := 0
		config.API = new(telegram)
		config.Emit = func(string, map[string]any) {
			ctx, cancel := context.WithTimeout(context.Background(), time.Second)
			defer cancel()
			if err := storage.Lock(ctx, botKey); err != nil {
				t.Errorf("in an event: %v", err)
				return
			}
			emitted++
			_ = storage.Unlock(ctx, botKey)
		}
		n := Start(config)
		settle(5 * time.Second)
		n.Stop()
		if emitted != 1 {
			t.Errorf("%d events, want 1", emitted)
		}
	})
}
