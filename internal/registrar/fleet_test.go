package registrar

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/caddy-telegram/telegramwebhook/internal/status"
)

// TestFleet starts three nodes on one storage at once.
func TestFleet(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		api, nodes := fleet(t)
		wantCalls(t, api, 1, "after the start")
		asked := api.comparisons()
		settle(10 * interval)
		if n := api.comparisons() - asked; n > 17 {
			t.Errorf("%d comparisons in 10 intervals, want about one each for the whole fleet", n)
		}
		wantCalls(t, api, 1, "after 10 intervals")

		// A rolling change: each node in turn gets the new configuration.
		for i, old := range nodes {
			nodes[i] = old.again(t, newer)
			settle(3 * interval)
			if url := api.registered().URL; url != newer.URL {
				t.Errorf("after %d of 3 nodes Telegram has %s", i+1, url)
			}
		}
		wantCalls(t, api, 2, "after a rolling change")
		for _, n := range nodes {
			n.want(t, status.Registered)
		}
	})
}

// TestOldNodeStandsDown looks at the nodes that still run what is superseded.
func TestOldNodeStandsDown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		api, old := alone(t, time.Second)
		changed := wanted
		changed.Secret = "another_0123456789"
		n := old.beside(t, "b", changed)
		settle(3 * interval)
		old.want(t, status.Superseded)
		n.want(t, status.Registered)
		old.Suspect()
		settle(interval)
		wantCalls(t, api, 2, "the old node has called")
	})
}
