package registrar

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/caddy-telegram/telegramwebhook/internal/botapi"
	"github.com/caddy-telegram/telegramwebhook/internal/status"
	"github.com/caddy-telegram/telegramwebhook/internal/storagetest"
)

// TestRepair changes the webhook behind the registrar's back.
func TestRepair(t *testing.T) {
	foreign := botapi.Webhook{}
	withCertificate(t, &foreign)
	for name, params := range map[string]map[string]string{
		"another url":           {"url": "https://evil.example.com/"},
		"no url":                {},
		"other types":           {"url": wanted.URL, "allowed_updates": `["poll"]`},
		"fewer connections":     {"url": wanted.URL, "max_connections": "1"},
		"another's certificate": {"url": wanted.URL},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				api, n := alone(t, time.Second)
				var certificate []byte
				if name == "another's certificate" {
					certificate = foreign.Certificate
				}
				if !api.TakeOver(token, params, certificate) {
					t.Fatal("not taken over")
				}
				settle(interval * 6 / 5)
				wantCalls(t, api, 2, "after an interval")
				n.want(t, status.Registered)
				if events := n.emitted(); events != "[registered lost registered]" {
					t.Errorf("events: %s", events)
				}
				registered := n.logs.FilterMessage("webhook registered").All()
				if why := registered[1].ContextMap()["reason"]; why != "changed by somebody else" {
					t.Errorf("it was repaired for the reason %q", why)
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
		api, n := alone(t, time.Second)
		for range 10 {
			api.takeOver(t, "https://other.example.com/")
			n.wake()
			settle(time.Minute)
		}
		if repairs := api.calls() - 1; repairs > 3 {
			t.Errorf("%d repairs in 10 minutes, want at most 3", repairs)
		}
		n.want(t, status.Contested)
		contested := n.logs.FilterMessage("webhook contested").All()
		if len(contested) != 1 || contested[0].ContextMap()["found"] != "https://other.example.com/" {
			t.Errorf("in the log: %v, want it once and with the other's url", contested)
		}
		// Left alone, it is taken back.
		settle(20 * time.Minute)
		n.want(t, status.Registered)
	})
}

// TestContestedUnhurried has somebody else register the bot again right after
// each repair, and nobody looks but at every interval.
func TestContestedUnhurried(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		api, n := alone(t, time.Second)
		fight := func(d time.Duration) {
			for range d / time.Second {
				api.takeOver(t, "https://other.example.com/")
				settle(time.Second)
			}
		}
		fight(maxRepairs * interval * 6 / 5)
		wantCalls(t, api, 1+maxRepairs, "after three intervals")
		fight(interval * 6 / 5)
		n.want(t, status.Contested)
		// For as long it is left to the other, and said once.
		fight(interval * 3 / 2)
		wantCalls(t, api, 1+maxRepairs, "while it is contested")
		if told := n.logged("webhook contested"); told != 1 {
			t.Errorf("told %d times", told)
		}
		// The other has given up: it is taken back when the window is over.
		settle(4 * interval)
		n.want(t, status.Registered)
		wantCalls(t, api, 2+maxRepairs, "after the fight")
	})
}

// TestFight has two fleets that share nothing but the bot.
func TestFight(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		api := newTelegram(t)
		other := wanted
		other.URL = "https://other.example.com/"
		a := run(t, "a", api, storagetest.NewMemory(), wanted)
		b := run(t, "b", api, storagetest.NewMemory(), other)
		for range 60 {
			settle(10 * time.Second)
			a.wake()
			b.wake()
		}
		if calls := api.calls(); calls > 8 {
			t.Errorf("%d registrations in 10 minutes, want at most 2 first ones and 3 repairs each", calls)
		}
		if a.logged("webhook contested")+b.logged("webhook contested") == 0 {
			t.Error("nobody has noticed")
		}
	})
}

// TestContestedFleet has somebody else who takes the webhook away from three
// nodes all the time, and leaves nothing in its place.
func TestContestedFleet(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		api, nodes := fleet(t)
		for range 18 {
			api.takeOver(t, "")
			for _, n := range nodes {
				n.wake()
			}
			settle(30 * time.Second)
		}
		if repairs := api.calls() - 1; repairs != maxRepairs {
			t.Errorf("%d repairs in 9 minutes, want %d by all of them", repairs, maxRepairs)
		}
		contested := 0
		for _, n := range nodes {
			n.want(t, status.Contested)
			for _, entry := range n.logs.FilterMessage("webhook contested").All() {
				contested++
				if found := entry.ContextMap()["found"]; found != "no webhook at all" {
					t.Errorf("contested, found %q", found)
				}
			}
			if lost := n.logged("webhook lost: somebody else has changed it"); lost > maxRepairs+1 {
				t.Errorf("the loss was told %d times", lost)
			}
		}
		if contested < len(nodes) {
			t.Errorf("%d of %d nodes have told that it is contested", contested, len(nodes))
		}
	})
}
