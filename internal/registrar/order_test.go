package registrar

import (
	"context"
	"errors"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/caddy-telegram/telegramwebhook/internal/botapi"
	"github.com/caddy-telegram/telegramwebhook/internal/storagetest"
)

// TestSharedOrders has many ask for the same two things while a registration is
// under way: they share one attempt for each.
func TestSharedOrders(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		api, n := alone(t, time.Minute)
		api.change(func(a *telegram) { a.slow = time.Second })
		asked := api.comparisons()
		var answered atomic.Int32
		ask := func(times int, drop bool) {
			for range times {
				go func() {
					if err := n.Register(t.Context(), drop); err != nil {
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
		for _, w := range api.history()[1:] {
			drops = append(drops, w.DropPendingUpdates)
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
				api.change(func(a *telegram) { a.slow = time.Minute })
				asked := api.comparisons()
				go func() { _ = n.Register(t.Context(), false) }()
				synctest.Wait()
				if shared {
					go func() { _ = n.Remove(t.Context(), false) }()
				}
				ctx, cancel := context.WithTimeout(t.Context(), time.Second)
				defer cancel()
				if err := n.Remove(ctx, false); err == nil {
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

// TestOrderOfAnotherConfiguration has a newer configuration take over while an order
// is carried out, which then fails.
func TestOrderOfAnotherConfiguration(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		api, n := alone(t, time.Minute)
		api.change(func(a *telegram) { a.slow = time.Second })
		answer := make(chan error, 1)
		go func() { answer <- n.Register(t.Context(), false) }()
		synctest.Wait()
		n.Bot.Lead("a newer one")
		api.failWith(errors.New("away"))
		if err := <-answer; !errors.Is(err, errStopped) {
			t.Errorf("got %v, want %v", err, errStopped)
		}
	})
}

// hanging is a Telegram that does not answer getWebhookInfo.
type hanging struct{ telegram }

func (*hanging) GetWebhookInfo(ctx context.Context) (botapi.WebhookInfo, error) {
	<-ctx.Done()
	return botapi.WebhookInfo{}, ctx.Err()
}

// TestStopWhileOrdersWait ends a configuration while some wait for an attempt that
// is under way, and others for theirs to begin. All are told at once.
func TestStopWhileOrdersWait(t *testing.T) {
	for range 20 { // what waits is met by chance
		synctest.Test(t, func(t *testing.T) {
			once := run(t, "a", new(telegram), storagetest.NewMemory(), wanted)
			once.stop()
			synctest.Wait()
			config := once.Config
			config.API = new(hanging)
			n := Start(config)
			answers := make(chan error, 6)
			for range 2 {
				go func() { answers <- n.Look(t.Context()) }()
				go func() { answers <- n.Register(t.Context(), true) }()
				go func() { answers <- n.Rotate(t.Context()) }()
			}
			synctest.Wait()
			before := time.Now()
			n.Stop()
			for range 6 {
				if err := <-answers; !errors.Is(err, errStopped) {
					t.Errorf("got %v, want %v", err, errStopped)
				}
			}
			n.Wait()
			if took := time.Since(before); took > 0 {
				t.Errorf("it took %s", took)
			}
			if err := n.Register(t.Context(), false); !errors.Is(err, errStopped) {
				t.Errorf("after the end: got %v, want %v", err, errStopped)
			}
		})
	}
}
