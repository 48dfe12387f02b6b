package registrar

import (
	"context"
	"errors"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/caddy-telegram/telegramwebhook/internal/storagetest"
	"github.com/caddy-telegram/telegramwebhook/internal/telegramtest"
)

// TestSharedOrders has many ask for the same two things while a registration is
// under way: they share one attempt for each.
func TestSharedOrders(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		api, n := alone(t, time.Minute)
		api.slow(time.Second)
		asked := api.comparisons()
		var answered atomic.Int32
		ask := func(times int, drop bool) {
			for range times {
				go func() {
					if err := n.CarryOut(t.Context(), Order{OrderRegister, drop}); err != nil {
						t.Error(err)
					}
					answered.Add(1)
				}()
			}
			synctest.Wait()
		}
		ask(1, false)
		ask(49, false)
		ask(50, true)
		settle(time.Minute)
		if n := answered.Load(); n != 100 {
			t.Errorf("%d callers have got an answer, want 100", n)
		}
		var drops []bool
		for _, call := range api.Calls("setWebhook")[1:] {
			drops = append(drops, call.Params["drop_pending_updates"] == "true")
		}
		if !slices.Equal(drops, []bool{false, false, true}) {
			t.Errorf("calls of setWebhook that drop updates: %v, want the last of three alone", drops)
		}
		if infos := api.comparisons() - asked; infos > 6 {
			t.Errorf("%d calls of getWebhookInfo, want 6 at most", infos)
		}
	})
}

// TestWithdrawnOrder has somebody not wait for what has not begun: it is not done.
// What somebody else waits for as well is done.
func TestWithdrawnOrder(t *testing.T) {
	for name, shared := range map[string]bool{"alone": false, "shared": true} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				api, n := alone(t, time.Minute)
				api.slow(20 * time.Second)
				asked := api.comparisons()
				go func() { _ = n.CarryOut(t.Context(), Order{Kind: OrderRegister}) }()
				synctest.Wait()
				if shared {
					go func() { _ = n.CarryOut(t.Context(), Order{Kind: OrderDelete}) }()
				}
				ctx, cancel := context.WithTimeout(t.Context(), time.Second)
				defer cancel()
				if err := n.CarryOut(ctx, Order{Kind: OrderDelete}); err == nil {
					t.Error("no error")
				}
				settle(2 * time.Minute)
				if deleted := api.registered().URL == ""; deleted != shared {
					t.Errorf("deleted: %v, want %v", deleted, shared)
				}
				if n := api.comparisons() - asked; n != 2 {
					t.Errorf("%d calls of getWebhookInfo, want the 2 of the registration", n)
				}
			})
		})
	}
}

// TestWithdrawnBehindAnother has somebody not wait for an order that was taken, but
// whose attempt has not begun.
func TestWithdrawnBehindAnother(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		api, n := alone(t, time.Minute)
		api.slow(20 * time.Second)
		for _, drop := range []bool{false, true} {
			go func() { _ = n.CarryOut(t.Context(), Order{OrderRegister, drop}) }()
			synctest.Wait()
		}
		ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
		defer cancel()
		if err := n.CarryOut(ctx, Order{Kind: OrderDelete}); err == nil {
			t.Error("no error")
		}
		settle(2 * time.Minute)
		if api.registered().URL == "" {
			t.Error("deleted, though nobody waits for it any more")
		}
	})
}

// TestOrderOfAnotherConfiguration has a newer configuration take over while an order
// is carried out, which then fails.
func TestOrderOfAnotherConfiguration(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		api, n := alone(t, time.Minute)
		api.Fail(func(method string, _ map[string]string) *telegramtest.Fault {
			if method != "setWebhook" {
				return nil
			}
			return &telegramtest.Fault{Delay: time.Second, Cut: true}
		})
		answer := make(chan error, 1)
		go func() { answer <- n.CarryOut(t.Context(), Order{Kind: OrderRegister}) }()
		synctest.Wait()
		n.Memory.leader.Store(new(Registrar))
		if err := <-answer; !errors.Is(err, errStopped) {
			t.Errorf("got %v, want %v", err, errStopped)
		}
	})
}

// TestStopWhileOrdersWait ends a configuration while some wait for an attempt that
// is under way, and others for theirs to begin. All are told at once.
func TestStopWhileOrdersWait(t *testing.T) {
	for range 20 { // what waits is met by chance
		synctest.Test(t, func(t *testing.T) {
			api := newTelegram(t)
			api.failWith(&telegramtest.Fault{Delay: time.Hour})
			n := run(t, "a", api, storagetest.NewMemory(), wanted)
			answers := make(chan error, 6)
			for range 2 {
				go func() { answers <- n.CarryOut(t.Context(), Order{Kind: OrderCheck}) }()
				go func() { answers <- n.CarryOut(t.Context(), Order{OrderRegister, true}) }()
				go func() { answers <- n.CarryOut(t.Context(), Order{Kind: OrderRotate}) }()
			}
			synctest.Wait()
			before := time.Now()
			n.Stop()
			for range 6 {
				if err := <-answers; !errors.Is(err, errStopped) {
					t.Errorf("got %v, want %v", err, errStopped)
				}
			}
			n.Wait(t.Context())
			if took := time.Since(before); took > 0 {
				t.Errorf("it took %s", took)
			}
			if err := n.CarryOut(t.Context(), Order{Kind: OrderRegister}); !errors.Is(err, errStopped) {
				t.Errorf("after the end: got %v, want %v", err, errStopped)
			}
		})
	}
}
