package poll

import (
	"context"
	"math/rand/v2"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/caddy-telegram/telegramwebhook/internal/status"
	"github.com/caddy-telegram/telegramwebhook/internal/storagetest"
	"github.com/caddy-telegram/telegramwebhook/internal/telegram"
	"github.com/caddy-telegram/telegramwebhook/internal/telegramtest"
)

// TestReload hands the poller another configuration while a delivery is under way.
func TestReload(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		slow := func(int, telegram.Update) *telegram.Answer {
			time.Sleep(10 * time.Second)
			return ok()
		}
		n := run(t, newBot(slow))
		n.send(1, 5, 5, 5)
		settle(15 * time.Second) // the first is taken, the second is under way
		newer := n.config
		second := newBot(slow)
		newer.Webhook, newer.AllowedUpdates = second, []string{"message", "chat_member"}
		n.Serve(newer)
		settle(time.Millisecond)
		calls := n.api.Calls("getUpdates")
		equal(t, "allowed_updates after the reload", calls[len(calls)-1].Params["allowed_updates"], `["message","chat_member"]`)
		n.send(4, 6)
		settle(time.Second)
		equal(t, "old", n.bot.got(), "1@0 2@10")
		equal(t, "new", second.got(), "4@0")
		settle(time.Minute)
		equal(t, "old", n.bot.has(), "1 2")
		equal(t, "new", second.got(), "4@0 3@5")
		equal(t, "pending", n.pending(), 0)
		equal(t, "conflicts", n.logged("updates not fetched"), 0)
	})
}

// TestReloads reloads a hundred times under load: nothing is lost, repeated or out of order.
func TestReloads(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := run(t, newBot(func(int, telegram.Update) *telegram.Answer {
			time.Sleep(20 * time.Millisecond)
			return ok()
		}))
		for i := range int64(1000) {
			n.send(1+i, 5+i%3)
			time.Sleep(7 * time.Millisecond)
			if i%10 == 0 {
				n.Serve(n.config)
			}
		}
		settle(time.Minute)
		equal(t, "pending", n.pending(), 0)
		for chat := range int64(3) {
			var of []int64
			for _, id := range n.bot.taken {
				if (id-1)%3 == chat {
					of = append(of, id)
				}
			}
			if !slices.IsSorted(of) {
				t.Errorf("out of order: %v", of)
			}
		}
		_, tries := n.bot.count()
		equal(t, "deliveries", tries, 1000)
	})
}

// TestMaxConnectionsAfterReload holds at once.
func TestMaxConnectionsAfterReload(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNode(t, "a", newAPI(t), storagetest.NewMemory(), newBot(func(int, telegram.Update) *telegram.Answer {
			time.Sleep(10 * time.Second)
			return ok()
		}))
		n.config.MaxConnections = 1
		n.Serve(n.config)
		n.send(1, 1, 2, 3, 4)
		settle(5 * time.Second)
		n.config.MaxConnections = 4
		n.Serve(n.config)
		settle(time.Second)
		equal(t, "got", n.bot.got(), "1@0 2@5 3@5 4@5")
	})
}

// TestStop stops while an update is under way, one waits behind it and one is to be tried
// again: what was taken is confirmed, and the rest stays with Telegram.
func TestStop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNode(t, "a", newAPI(t), storagetest.NewMemory(), newBot(func(_ int, u telegram.Update) *telegram.Answer {
			switch u.ID {
			case 2:
				time.Sleep(10 * time.Second)
			case 4:
				return failing(500)
			}
			return ok()
		}))
		n.send(1, 5, 6, 6, 7, 8)
		n.Serve(n.config)
		settle(5 * time.Second)
		n.Stop()
		before := n.calls()
		n.send(6, 9)
		begin := time.Now()
		n.Wait(t.Context())
		equal(t, "time until all has ended", time.Since(begin), 5*time.Second)
		equal(t, "calls after Stop", n.calls()-before, 1)
		equal(t, "pending", n.pending(), 4) // all but the first two
		tries := n.bot.got()
		settle(time.Hour)
		equal(t, "tries after Stop", n.bot.got(), tries)
		equal(t, "taken", n.bot.has(), "1 2 5")
		equal(t, "state", n.Status().State, "")

		n.Serve(n.config)
		settle(time.Second)
		equal(t, "taken after another start", n.bot.has(), "1 2 3 5 5 6")
	})
}

// TestStopIdle cancels the long poll, so that nobody else gets a conflict, and gives the lease back.
func TestStopIdle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := run(t, newBot(nil))
		settle(time.Minute)
		n.send(1, 5)
		settle(time.Minute)
		n.Stop()
		begin := time.Now()
		n.Wait(t.Context())
		equal(t, "time until all has ended", time.Since(begin), time.Duration(0))
		if n.config.Storage.Module.Exists(t.Context(), storeKey) {
			t.Error("the lease was not given back")
		}
		n.Serve(n.config)
		settle(time.Second)
		n.want(t, status.Polling)
		equal(t, "tries", n.bot.got(), "1@60")
		equal(t, "entries", n.logged("updates not fetched"), 0)
	})
}

// TestStopWithoutTelegram takes two seconds for what cannot be confirmed.
func TestStopWithoutTelegram(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := run(t, newBot(func(int, telegram.Update) *telegram.Answer {
			time.Sleep(time.Second)
			return ok()
		}))
		n.send(1, 5)
		settle(time.Second / 2)
		n.api.Fail(func(string, map[string]string) *telegramtest.Fault { return &telegramtest.Fault{Delay: time.Hour} })
		n.Stop()
		begin := time.Now()
		n.Wait(t.Context())
		equal(t, "time until all has ended", time.Since(begin), 2500*time.Millisecond)
	})
}

// TestServeAfterStop begins again while a delivery is under way.
func TestServeAfterStop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := run(t, newBot(func(_ int, u telegram.Update) *telegram.Answer {
			if u.ID == 1 {
				time.Sleep(10 * time.Second)
			}
			return ok()
		}))
		n.send(1, 5, 5, 6)
		settle(time.Second)
		for range 3 {
			n.Stop()
			n.Serve(n.config)
		}
		settle(time.Minute)
		equal(t, "got", n.bot.got(), "1@0 3@0 2@10")
		equal(t, "pending", n.pending(), 0)
	})
}

// TestIdle stops a poller that is none, or does nothing.
func TestIdle(t *testing.T) {
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	for _, p := range []*Poller{nil, New()} {
		p.Stop()
		p.Wait(t.Context())
		p.Wait(ended)
		equal(t, "status", p.Status(), Status{})
	}
}

// TestWaitEnds does not wait longer than it may.
func TestWaitEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := run(t, newBot(func(int, telegram.Update) *telegram.Answer {
			time.Sleep(30 * time.Second)
			return ok()
		}))
		n.send(1, 5)
		settle(time.Second)
		n.Stop()
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		defer cancel()
		begin := time.Now()
		n.Wait(ctx)
		equal(t, "waited", time.Since(begin), 3*time.Second)
	})
}

// TestAtLeastOnce has everything fail at random, and restarts: each update is taken at
// least once, in the order of its chat.
func TestAtLeastOnce(t *testing.T) {
	seeds := uint64(6)
	if testing.Short() {
		seeds = 1
	}
	for seed := range seeds {
		synctest.Test(t, func(t *testing.T) {
			random := rand.New(rand.NewPCG(seed, 1))
			chance := func(percent int) bool { return random.IntN(100) < percent }
			n := run(t, newBot(nil))
			n.bot.answer = func(try int, u telegram.Update) *telegram.Answer {
				n.bot.mu.Lock()
				fails, wait := chance(20), time.Duration(random.IntN(1500))*time.Millisecond
				n.bot.mu.Unlock()
				time.Sleep(wait)
				if fails {
					return failing(503)
				}
				return ok()
			}
			n.api.Fail(func(method string, _ map[string]string) *telegramtest.Fault {
				n.bot.mu.Lock()
				defer n.bot.mu.Unlock()
				if method != "getUpdates" || !chance(10) {
					return nil
				}
				return &telegramtest.Fault{Cut: true, Carry: chance(50)} // the answer alone is lost, or all
			})
			const updates = 200
			for i := range int64(updates) {
				n.send(1+i, 1+i%7)
				time.Sleep(50 * time.Millisecond)
				if i%60 == 59 {
					n.end()
					n.Serve(n.config)
				}
			}
			settle(20 * time.Minute)
			equal(t, "pending", n.pending(), 0)
			first := make(map[int64]int)
			for i, id := range n.bot.taken {
				if _, seen := first[id]; !seen {
					first[id] = i
				}
			}
			equal(t, "taken", len(first), updates)
			for id, at := range first {
				if before, ok := first[id-7]; ok && before > at {
					t.Errorf("seed %d: %d came before %d", seed, id, id-7)
				}
			}
			if repeated := len(n.bot.taken) - len(first); repeated > updates/2 {
				t.Errorf("seed %d: %d repeated", seed, repeated)
			}
		})
	}
}

// TestReloadWithoutAChange reloads while getUpdates waits: that call goes on, so that Telegram
// never sees a second one. Only another call takes its place.
func TestReloadWithoutAChange(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNode(t, "a", newAPI(t), storagetest.NewMemory(), newBot(nil))
		n.Serve(n.config)
		settle(10 * time.Second)
		calls := n.calls()
		again := newNode(t, "a", n.api, n.config.Storage.Module, n.bot).config // as a new configuration has it
		again.MaxConnections = 7
		for range 3 {
			n.Serve(again)
			settle(time.Second)
		}
		equal(t, "calls after reloads without a change", n.calls(), calls)
		again.AllowedUpdates = []string{"poll"}
		n.Serve(again)
		settle(time.Second)
		equal(t, "calls after one with other types", n.calls(), calls+1)
	})
}
