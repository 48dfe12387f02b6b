package registrar

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/caddy-telegram/telegramwebhook/internal/status"
	"github.com/caddy-telegram/telegramwebhook/internal/storagetest"
	"github.com/caddy-telegram/telegramwebhook/internal/telegramtest"
)

// TestAsConfigured says when all is well again without anything to register.
func TestAsConfigured(t *testing.T) {
	const message = "webhook already registered"
	synctest.Test(t, func(t *testing.T) {
		api, n := alone(t, time.Second)
		if n.logged(message) != 0 {
			t.Error("told after a registration")
		}
		n = n.again(t, wanted)
		if n.logged(message) != 1 {
			t.Errorf("told %d times after a restart, want once", n.logged(message))
		}
		api.failWith(refusal(500, "Internal Server Error", ""))
		settle(2 * interval)
		n.want(t, status.Failing)
		api.failWith(nil)
		settle(2 * interval)
		n.want(t, status.Registered)
		if n.logged(message) != 2 {
			t.Errorf("told %d times after a fault has passed, want once more", n.logged(message))
		}
		go func() { _ = n.CarryOut(context.Background(), Order{Kind: OrderDelete}) }()
		settle(3 * interval)
		n.Stop()
		n = n.beside(t, "b", wanted)
		if told := n.logged("webhook deleted on demand"); told != 1 {
			t.Errorf("another node says %d times that it is deleted", told)
		}
	})
}

// TestToldToAll has one node of three ask Telegram, and looks at what the others
// know, and at who has told of it.
func TestToldToAll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		api, nodes := fleet(t)
		for round := 1; round <= 5; round++ {
			api.Send(token, fmt.Appendf(nil, `{"update_id":%d}`, round))
			api.meet("Connection refused", time.Now())
			settle(interval * 12 / 5)
			for _, n := range nodes {
				if s := n.Status(); s.Telegram.Pending != round || time.Since(s.Telegram.At) > interval*12/5 {
					t.Errorf("round %d: %s has heard of %d updates, %s ago", round, n.Node.Name, s.Telegram.Pending, time.Since(s.Telegram.At))
				}
			}
			told := 0
			for _, n := range nodes {
				told += n.logged("updates not delivered by Telegram")
			}
			if told != round {
				t.Errorf("%d errors were told %d times", round, told)
			}
		}
	})
}

// TestDeliveryErrors has an old error, and then a fresh one.
func TestDeliveryErrors(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		api := newTelegram(t)
		api.meet("Connection timed out", time.Now().Add(-48*time.Hour))
		n := run(t, "a", api, storagetest.NewMemory(), wanted)
		settle(time.Second)
		for id := range 7 {
			api.Send(token, fmt.Appendf(nil, `{"update_id":%d}`, id+1))
		}
		api.meet("Connection refused", time.Now())
		settle(10 * interval)
		entries := n.logs.FilterMessage("updates not delivered by Telegram").All()
		if len(entries) != 1 || entries[0].ContextMap()["pending"] != int64(7) {
			t.Errorf("in the log: %v, want the fresh error once", entries)
		}
	})
}

// TestDeliveryErrorWhileFailing has a fresh error, and a registration that fails again and again: no
// record is written then, and the error is in the log once.
func TestDeliveryErrorWhileFailing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		api, n := alone(t, interval)
		api.Fail(func(method string, _ map[string]string) *telegramtest.Fault {
			if method != "setWebhook" {
				return nil
			}
			return refusal(500, "Internal Server Error", "")
		})
		api.meet("Connection refused", time.Now())
		changed := start(t, n.Config, api, newer)
		settle(time.Hour / 2)
		changed.want(t, status.Failing)
		if told := changed.logged("updates not delivered by Telegram"); told != 1 {
			t.Errorf("the error is in the log %d times, want once", told)
		}
	})
}

// TestErasedDeliveryError has a fresh error that the registration erases: nothing is told of it.
func TestErasedDeliveryError(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		api, n := alone(t, interval)
		api.meet("Connection refused", time.Now())
		changed := start(t, n.Config, api, newer)
		settle(time.Minute)
		changed.want(t, status.Registered)
		if entries := changed.logs.FilterMessage("updates not delivered by Telegram").All(); len(entries) > 0 {
			t.Errorf("logged: %v", entries[0].ContextMap())
		}
		if events := changed.emitted(); events != "[registered]" {
			t.Errorf("events: %s", events)
		}
	})
}

// TestChangingError fails with another text each time, and then in another way.
func TestChangingError(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := 0
		api := newTelegram(t)
		api.Fail(func(string, map[string]string) *telegramtest.Fault {
			n++
			return refusal(429, fmt.Sprintf("retry after %d", n), `,"parameters":{"retry_after":1}`)
		})
		node := run(t, "a", api, storagetest.NewMemory(), wanted)
		settle(time.Hour)
		if told := node.logged("webhook not registered"); told < 2 || told > 7 {
			t.Errorf("in an hour with %d errors there are %d entries, want one in ten minutes", n, told)
		}
		told := node.logged("webhook not registered")
		api.failWith(refusal(401, "Unauthorized", ""))
		settle(10 * time.Second)
		if node.logged("webhook not registered") != told+1 {
			t.Error("an error of another kind is not told at once")
		}
	})
}

// TestKnownInfo asks what is known while Telegram cannot be asked.
func TestKnownInfo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		api := newTelegram(t)
		for id := range 7 {
			api.Send(token, fmt.Appendf(nil, `{"update_id":%d}`, id+1))
		}
		n := run(t, "a", api, storagetest.NewMemory(), wanted)
		settle(time.Second)
		api.failWith(away)
		settle(2 * interval)
		n.want(t, status.Failing)
		if got := n.Status().Telegram.Pending; got != 7 {
			t.Errorf("%d updates pending, want the 7 that Telegram last told", got)
		}
	})
}
