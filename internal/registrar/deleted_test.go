package registrar

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/caddy-telegram/telegramwebhook/internal/status"
	"github.com/caddy-telegram/telegramwebhook/internal/storagetest"
)

// TestNotDeleted has Telegram refuse to delete a webhook: nothing has changed
// then, and nothing is tried again.
func TestNotDeleted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		api, n := alone(t, time.Second)
		api.failWith(refusal(502, "Bad Gateway", ""))
		if err := n.CarryOut(context.Background(), Order{Kind: OrderDelete}); err == nil {
			t.Error("no error")
		}
		n.want(t, status.Registered)
		api.failWith(nil)
		settle(2 * interval)
		n.want(t, status.Registered)
		wantCalls(t, api, 1, "after a webhook that was not deleted")
		if deleted, failed := n.logged("webhook not deleted"), n.logged("webhook not registered"); deleted != 1 || failed != 0 {
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
		_, a := alone(t, time.Second)
		b := a.beside(t, "b", newer)
		if err := b.CarryOut(context.Background(), Order{Kind: OrderDelete}); err != nil {
			t.Fatal(err)
		}
		settle(2 * interval)
		a.want(t, status.Superseded)
		if got, want := a.Status().Detail, "node "+b.Node.Process+" with another configuration has deleted the webhook on demand"; got != want {
			t.Errorf("says %q, want %q", got, want)
		}
	})
}

// TestDeleteTakesTheSecrets has a deletion remove the secrets from storage, on all nodes; a
// webhook that is registered again gets another one.
func TestDeleteTakesTheSecrets(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		api, shared := newTelegram(t), storagetest.NewMemory()
		a, b := newGate(t, "a", api, shared, time.Hour), newGate(t, "b", api, shared, time.Hour)
		settle(2 * time.Minute)
		first := api.registered().Secret
		if a.judge(t.Context(), first) != 200 || b.judge(t.Context(), first) != 200 {
			t.Fatal("not accepted at first")
		}
		if err := a.CarryOut(t.Context(), Order{Kind: OrderDelete}); err != nil {
			t.Fatal(err)
		}
		settle(2 * time.Minute)
		if keys, _ := shared.List(t.Context(), botKey, true); len(keys) != 1 || keys[0] != recordKey {
			t.Errorf("in storage: %v, want that it was deleted and no more", keys)
		}
		for _, g := range []*gate{a, b} {
			if g.want(t, status.Deleted); g.kept.Current() != "" || g.judge(t.Context(), first) == 200 {
				t.Errorf("%s still knows a secret", g.Node.Name)
			}
		}
		if err := b.CarryOut(t.Context(), Order{Kind: OrderRegister}); err != nil {
			t.Fatal(err)
		}
		settle(2 * time.Minute)
		if second := api.registered().Secret; second == first || a.judge(t.Context(), second) != 200 || b.judge(t.Context(), second) != 200 {
			t.Error("the same secret again, or one that is not accepted")
		}
	})
}
