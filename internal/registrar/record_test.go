package registrar

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/caddy-telegram/telegramwebhook/internal/botapi"
)

// TestContestedUnhurried has somebody else register the bot again right after
// each repair, and nobody looks but at every interval.
func TestContestedUnhurried(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		api := new(telegram)
		n := run(t, "a", api, newMemory(), wanted)
		defer n.stop()
		settle(time.Second)
		fight := func(d time.Duration) {
			for range d / time.Second {
				api.change(func(a *telegram) { a.info.URL = "https://other.example.com/" })
				settle(time.Second)
			}
		}
		fight(maxRepairs * interval * 6 / 5)
		wantCalls(t, api, 1+maxRepairs, "after three intervals")
		fight(interval * 6 / 5)
		n.want(t, Contested)
		// For as long it is left to the other, and said once.
		fight(2 * interval)
		wantCalls(t, api, 1+maxRepairs, "while it is contested")
		if told := n.told("webhook contested"); told != 1 {
			t.Errorf("told %d times", told)
		}
		// The other has given up: it is taken back when the window is over.
		settle(repairWindow(interval))
		n.want(t, Registered)
		wantCalls(t, api, 2+maxRepairs, "after the fight")
	})
}

// TestToldToAll has one node of three ask Telegram, and looks at what the others
// know, and at who has told of it.
func TestToldToAll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		api, storage := new(telegram), newMemory()
		var nodes []*node
		for _, name := range []string{"a", "b", "c"} {
			n := run(t, name, api, storage, wanted)
			defer n.stop()
			nodes = append(nodes, n)
			settle(time.Second)
		}
		for round := 1; round <= 5; round++ {
			api.change(func(a *telegram) {
				a.info.PendingUpdateCount, a.info.LastErrorDate, a.info.LastErrorMessage = round, time.Now(), "Connection refused"
			})
			settle(interval * 12 / 5)
			for _, n := range nodes {
				if s := n.Status(); s.Info.PendingUpdateCount != round || time.Since(s.InfoAt) > interval*12/5 {
					t.Errorf("round %d: %s has heard of %d updates, %s ago", round, n.Node.Name, s.Info.PendingUpdateCount, time.Since(s.InfoAt))
				}
			}
			told := 0
			for _, n := range nodes {
				told += n.told("Telegram cannot deliver updates")
			}
			if told != round {
				t.Errorf("%d errors were told %d times", round, told)
			}
		}
	})
}

// TestAsConfigured says when all is well again without anything to register.
func TestAsConfigured(t *testing.T) {
	const message = "webhook as configured; nothing to register"
	synctest.Test(t, func(t *testing.T) {
		api, storage := new(telegram), newMemory()
		n := run(t, "a", api, storage, wanted)
		settle(time.Second)
		if n.told(message) != 0 {
			t.Error("told after a registration")
		}
		n.stop()
		n = run(t, "a", api, storage, wanted)
		settle(time.Second)
		if n.told(message) != 1 {
			t.Errorf("told %d times after a restart, want once", n.told(message))
		}
		api.change(func(a *telegram) { a.fail = func() error { return &botapi.Error{Code: 500} } })
		settle(2 * interval)
		n.want(t, Failing)
		api.change(func(a *telegram) { a.fail = nil })
		settle(2 * interval)
		n.want(t, Registered)
		if n.told(message) != 2 {
			t.Errorf("told %d times after a fault has passed, want once more", n.told(message))
		}
		go func() { _ = n.Remove(context.Background(), false) }()
		settle(3 * interval)
		n.stop()
		n = run(t, "b", api, storage, wanted)
		defer n.stop()
		settle(time.Second)
		if told := n.told("webhook deleted on demand; it is not registered until that is asked for"); told != 1 {
			t.Errorf("another node says %d times that it is deleted", told)
		}
	})
}

// TestNotDeleted has Telegram refuse to delete a webhook: nothing has changed
// then, and nothing is tried again.
func TestNotDeleted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		api := new(telegram)
		n := run(t, "a", api, newMemory(), wanted)
		defer n.stop()
		settle(time.Second)
		api.change(func(a *telegram) { a.fail = func() error { return &botapi.Error{Code: 502} } })
		if err := n.Remove(context.Background(), false); err == nil {
			t.Error("no error")
		}
		n.want(t, Registered)
		api.change(func(a *telegram) { a.fail = nil })
		settle(2 * interval)
		n.want(t, Registered)
		wantCalls(t, api, 1, "after a webhook that was not deleted")
		if deleted, failed := n.told("webhook not deleted"), n.told("webhook not registered"); deleted != 1 || failed != 0 {
			t.Errorf("told %d times that it was not deleted, and %d times that it is not registered", deleted, failed)
		}
		if api.registered().URL != wanted.URL {
			t.Error("it was deleted later")
		}
	})
}

// TestDeletedByAnother has a node with another configuration delete the webhook.
func TestDeletedByAnother(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		api, storage := new(telegram), newMemory()
		a := run(t, "a", api, storage, wanted)
		defer a.stop()
		settle(time.Second)
		other := wanted
		other.URL = "https://bot.example.com/new"
		b := run(t, "b", api, storage, other)
		defer b.stop()
		settle(time.Second)
		if err := b.Remove(context.Background(), false); err != nil {
			t.Fatal(err)
		}
		settle(2 * interval)
		a.want(t, Superseded)
		if got, want := a.Status().Detail, "node "+b.Node.Process+", which has another configuration, has deleted the webhook on demand"; got != want {
			t.Errorf("says %q, want %q", got, want)
		}
	})
}
