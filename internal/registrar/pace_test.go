package registrar

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/caddy-telegram/telegramwebhook/internal/botapi"
	"github.com/caddy-telegram/telegramwebhook/internal/status"
	"github.com/caddy-telegram/telegramwebhook/internal/storagetest"
	"github.com/caddy-telegram/telegramwebhook/internal/telegram"
	"github.com/caddy-telegram/telegramwebhook/internal/telegramtest"
)

// fromOneAddress is a way to Telegram on which all requests come from one address
// that is not local, so that it counts new tokens.
type fromOneAddress struct{ *telegramtest.API }

func (w fromOneAddress) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.RemoteAddr = "8.8.8.8:443"
	return w.API.RoundTrip(r)
}

// crowd is many bots of one process.
type crowd struct {
	t        *testing.T
	api      *server
	memories []*Memory
	storage  []*storagetest.Faulty
	used     atomic.Int64 // operations of storage
	pace     *Pace
	running  []*Registrar

	interval time.Duration // between comparisons; 0 for none
}

func newCrowd(t *testing.T, n int) *crowd {
	t.Helper()
	c := &crowd{t: t, api: newTelegram(t), pace: NewPace()}
	t.Cleanup(func() { c.stop(c.running) })
	for range n {
		c.add()
	}
	return c
}

// add adds a bot that nobody knows.
func (c *crowd) add() {
	c.memories = append(c.memories, new(Memory))
	storage := storagetest.NewFaulty(storagetest.NewMemory())
	storage.Set(func(string, string) storagetest.Fault { c.used.Add(1); return storagetest.Fault{} })
	c.storage = append(c.storage, storage)
}

// start starts the registrars of all bots, as a new configuration does.
func (c *crowd) start() (old []*Registrar) {
	c.t.Helper()
	old, c.running = c.running, nil
	for n, memory := range c.memories {
		config := config(c.t, "a", c.api, c.storage[n], wanted)
		account, err := botapi.NewAccount(fmt.Sprintf("%d:test_token_for_loopback_only_%07d", 100_000_000+n, n), "", false)
		if err != nil {
			c.t.Fatal(err)
		}
		config.API = botapi.NewClient(account, fromOneAddress{c.api.API})
		config.Node, config.Interval, config.Pace, config.Memory = Node{"a", "a-1"}, c.interval, c.pace, memory
		hook := new(hook)
		hook.wanted.Store(&wanted)
		c.running = append(c.running, Start(config, hook))
	}
	return old
}

// stop stops what is at work.
func (c *crowd) stop(running []*Registrar) {
	for _, r := range running {
		r.Stop()
	}
	synctest.Wait()
}

// restart ends the process, and starts another one.
func (c *crowd) restart() {
	c.stop(c.running)
	c.pace = NewPace()
	for n := range c.memories {
		c.memories[n] = new(Memory)
	}
	c.start()
}

// want looks how many are registered, and that Telegram has never had enough.
func (c *crowd) want(registered int, when string) {
	c.t.Helper()
	got := 0
	for _, r := range c.running {
		switch s := r.Status(); {
		case s.State == status.Registered:
			got++
		case s.State != status.Pending || !strings.HasPrefix(s.Detail, "waiting for a turn"):
			c.t.Errorf("%s: one is %s: %s", when, s.State, s.Detail)
		}
	}
	if got != registered {
		c.t.Errorf("%s: %d are registered, want %d", when, got, registered)
	}
	for _, call := range c.api.Calls("") {
		if call.Status == http.StatusTooManyRequests {
			c.t.Fatalf("%s: Telegram answers 429", when)
		}
	}
}

// TestManyNewBots has more bots than Telegram takes in an hour from one address.
func TestManyNewBots(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCrowd(t, 650)
		c.start()
		settle(0)
		c.want(firstBots, "at once")
		settle(time.Hour)
		c.want(firstBots+hourlyBots, "after an hour")
		settle(time.Hour)
		c.want(650, "after two")
		wantSets(t, c, 650)

		c.restart()
		settle(time.Second)
		c.want(650, "right after a restart")

		for range firstBots + 1 {
			c.add()
		}
		c.restart()
		settle(time.Second)
		c.want(650+firstBots, "right after a restart with more")
		settle(time.Minute)
		c.want(650+firstBots+1, "a minute later")
		wantSets(t, c, 650+firstBots+1)
	})
}

func wantSets(t *testing.T, c *crowd, n int) {
	t.Helper()
	if got := len(c.api.Calls("setWebhook")); got != n {
		t.Errorf("%d calls of setWebhook, want %d", got, n)
	}
}

// TestManyNewBotsAfterOutage has Telegram away while many new bots wait: each needs a
// turn for each attempt.
func TestManyNewBotsAfterOutage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCrowd(t, 200)
		c.api.failWith(away)
		c.start()
		settle(3 * time.Hour)
		c.api.failWith(nil)
		settle(time.Hour)
		c.want(200, "after an outage")
	})
}

// TestReloadWhileWaiting reloads again and again while new bots wait for their
// turns: that delays none.
func TestReloadWhileWaiting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const more, reloads = 40, 20
		c := newCrowd(t, firstBots+more)
		c.start()
		settle(0)
		for range reloads {
			c.stop(c.start()) // the old ones stop only then
			settle(more * time.Hour / hourlyBots / reloads)
		}
		settle(10 * time.Second)
		c.want(firstBots+more, "after that time")
	})
}

// TestNoNeedToWait has bots that wait for their turns, and are called for before.
func TestNoNeedToWait(t *testing.T) {
	for name, call := range map[string]func(*Registrar){
		"a person asks":          func(r *Registrar) { _ = r.CarryOut(context.Background(), Order{Kind: OrderCheck}) },
		"Telegram sends updates": func(r *Registrar) { r.Suspect() },
		"a person wants it anew": func(r *Registrar) { _ = r.CarryOut(context.Background(), Order{Kind: OrderRegister}) },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := newCrowd(t, firstBots+5)
				c.start()
				settle(0)
				for _, r := range c.running {
					if r.Status().State == status.Pending {
						call(r)
						break
					}
				}
				settle(0)
				c.want(firstBots+1, "without a turn")
			})
		})
	}
}

// TestRestartOfMany restarts a process with more bots than calls may be under way at once.
func TestRestartOfMany(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const bots = 5 * maxCalls / 2
		c := newCrowd(t, bots)
		c.interval = interval
		c.start()
		settle(time.Hour)
		c.want(bots, "at first")
		c.api.Fail(func(string, map[string]string) *telegramtest.Fault { return &telegramtest.Fault{Delay: time.Second} })
		before := len(c.api.Calls(""))
		c.restart()
		settle(0)
		if n := len(c.api.Calls("")) - before; n != maxCalls {
			t.Errorf("%d calls at once, want %d", n, maxCalls)
		}
		settle(2 * time.Second)
		if n := len(c.api.Calls("")) - before; n != bots {
			t.Errorf("%d calls in all, want %d", n, bots)
		}
		settle(time.Second)
		c.want(bots, "after the restart")
	})
}

// TestPauseOfAll has Telegram ask one node for a pause: the others make no call either.
func TestPauseOfAll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		api, a := alone(t, time.Second)
		b := a.beside(t, "b", wanted)
		settle(interval)
		api.failWith(refusal(http.StatusTooManyRequests, "Too Many Requests: retry after 600", `,"parameters":{"retry_after":600}`))
		a.Suspect()
		settle(time.Second)
		a.want(t, status.Failing)
		calls := len(api.Calls(""))
		b.Suspect()
		settle(9 * time.Minute)
		b.want(t, status.Failing)
		if err := b.CarryOut(t.Context(), Order{Kind: OrderRegister}); err == nil {
			t.Error("an order is carried out all the same")
		}
		if n := len(api.Calls("")) - calls; n > 0 {
			t.Errorf("%d calls during the pause", n)
		}
		api.failWith(nil)
		settle(2 * time.Minute)
		a.want(t, status.Registered)
		b.want(t, status.Registered)
	})
}

// TestReloadOfMany reloads without a change: what the configuration before has
// just seen is not asked for again, until its time comes or something is wrong.
func TestReloadOfMany(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCrowd(t, firstBots)
		c.interval = interval
		c.start()
		settle(time.Second)
		asked := func() int { return len(c.api.Calls("getWebhookInfo")) }
		before, used := asked(), c.used.Load()
		for range 20 {
			c.stop(c.start())
			settle(time.Second)
			c.want(firstBots, "after a reload")
		}
		if n := asked() - before; n > 0 {
			t.Errorf("%d calls of getWebhookInfo for 20 reloads", n)
		}
		if n := c.used.Load() - used; n > 0 {
			t.Errorf("%d uses of storage for 20 reloads", n)
		}
		for _, r := range c.running {
			if s := r.Status(); s.Telegram.URL != wanted.URL {
				t.Errorf("what Telegram has is forgotten over a reload: %+v", s.Telegram)
			}
		}
		settle(2*interval + 2*time.Minute) // registered more than a minute ago, to be suspected below
		if n := asked() - before; n < firstBots {
			t.Errorf("%d calls of getWebhookInfo in two intervals, want one for each of %d bots at least", n, firstBots)
		}

		c.api.failWith(refusal(401, "Unauthorized", ""))
		for _, r := range c.running {
			r.Suspect()
		}
		settle(time.Second)
		c.stop(c.start())
		settle(time.Second)
		for _, r := range c.running {
			if s := r.Status(); s.State != status.Failing {
				t.Errorf("after a reload it is %s, though Telegram does not know it any more", s.State)
			}
		}
	})
}

// TestCallsWithinASecond has another configuration just after a registration: it waits rather than being refused.
func TestCallsWithinASecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		api, n := alone(t, time.Millisecond)
		changed := start(t, n.Config, api, newer)
		settle(telegram.SetInterval / 2)
		wantCalls(t, api, 1, "half a second later")
		settle(telegram.SetInterval)
		changed.want(t, status.Registered)
		for _, call := range api.Calls("setWebhook") {
			if call.Status != http.StatusOK {
				t.Errorf("a call was answered with %d", call.Status)
			}
		}
	})
}
