package registrar

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/caddy-telegram/telegramwebhook/internal/botapi"
	"github.com/caddy-telegram/telegramwebhook/internal/status"
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
				api, storage := newTelegram(t), storagetest.NewMemory()
				api.slow(tc.slow)
				n := run(t, "a", api, storage, wanted)
				settle(500 * time.Millisecond)
				wantCalls(t, api, 1, "in the middle")
				n.Stop()
				api.slow(0)
				next := run(t, "a", api, storage, wanted)
				settle(grace + time.Second)
				next.want(t, status.Registered)
				wantCalls(t, api, tc.calls, "after the reload")
				if n.logged("webhook not registered") > 0 {
					t.Error("what was broken off was reported as an error")
				}
				if events := n.emitted(); events != tc.events {
					t.Errorf("the one that was stopped has told %s, want %s", events, tc.events)
				}
			})
		})
	}
}

// TestStop stops one that waits for the lock, and two whose configuration hangs.
func TestStop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		api, n := alone(t, time.Second)
		if err := n.Storage.Module.Lock(t.Context(), botKey); err != nil {
			t.Fatal(err)
		}
		waiting := start(t, n.Config, api, newer)
		synctest.Wait()
		before := time.Now()
		waiting.Stop()
		waiting.Wait(t.Context())
		if took := time.Since(before); took > 0 {
			t.Errorf("one that waits for the lock took %s to stop", took)
		}

		hang := hanging{hook: new(hook), until: make(chan struct{})}
		one, another := Start(n.Config, hang), Start(n.Config, hang)
		synctest.Wait()
		before = time.Now()
		one.Stop()
		another.Stop()
		ctx, cancel := context.WithTimeout(t.Context(), StopTimeout)
		defer cancel()
		one.Wait(ctx)
		another.Wait(ctx)
		if took := time.Since(before); took != StopTimeout {
			t.Errorf("two that hang took %s to stop, want %s", took, StopTimeout)
		}
		close(hang.until)
	})
}

// hanging is a webhook that is not known for a while.
type hanging struct {
	*hook
	until chan struct{}
}

func (h hanging) Wanted() (botapi.Webhook, error) { <-h.until; return wanted, nil }

// TestEventsHoldNoLock has a subscriber that needs the lock itself.
func TestEventsHoldNoLock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		api, storage := newTelegram(t), storagetest.NewMemory()
		subscribed := new(hook)
		subscribed.wanted.Store(&wanted)
		subscribed.emit = func(string) {
			ctx, cancel := context.WithTimeout(context.Background(), time.Second)
			defer cancel()
			if err := storage.Lock(ctx, botKey); err != nil {
				t.Errorf("in an event: %v", err)
				return
			}
			_ = storage.Unlock(ctx, botKey)
		}
		r := Start(config(t, "a", api, storage, wanted), subscribed)
		defer r.Stop()
		settle(5 * time.Second)
		if got := subscribed.emitted(); got != "[registered]" {
			t.Errorf("events: %s", got)
		}
	})
}

// TestBegin has a configuration that is not active yet, and ends without having been.
func TestBegin(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		api, n := alone(t, time.Minute)
		calls := len(api.Calls("setWebhook"))
		begin := make(chan struct{})
		changed := n.Config
		changed.Begin = begin
		for _, becomesActive := range []bool{false, true} {
			other := start(t, changed, api, newer)
			settle(time.Hour)
			if got := len(api.Calls("setWebhook")); got != calls || n.Memory.leader.Load() != n.Registrar {
				t.Fatalf("before it is active: %d calls", got-calls)
			}
			if becomesActive {
				close(begin)
				settle(time.Second)
				if n.Memory.leader.Load() != other.Registrar || other.Status().State != status.Registered {
					t.Errorf("when it is active: %+v", other.Status())
				}
			}
			other.Stop()
			other.Wait(t.Context())
		}
	})
}
