package poll

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/caddyserver/certmagic"

	"github.com/caddy-telegram/telegramwebhook/internal/status"
	"github.com/caddy-telegram/telegramwebhook/internal/storagetest"
	"github.com/caddy-telegram/telegramwebhook/internal/telegram"
)

// fleet is two nodes with one storage, of which the first polls. Each storage has faults
// of its own.
func fleet(t *testing.T) (a, b *node, storageA, storageB *storagetest.Faulty) {
	t.Helper()
	api, memory := newAPI(t), storagetest.NewMemory()
	storageA, storageB = storagetest.NewFaulty(memory), storagetest.NewFaulty(memory)
	a = newNode(t, "a", api, storageA, newBot(nil))
	b = newNode(t, "b", api, storageB, newBot(nil))
	a.Serve(a.config)
	settle(time.Second)
	b.Serve(b.config)
	settle(time.Second)
	a.want(t, status.Polling)
	b.want(t, status.Standby)
	return a, b, storageA, storageB
}

func store(t *testing.T, storage certmagic.Storage, record any) {
	t.Helper()
	content, err := json.Marshal(record)
	if err != nil {
		t.Fatal(err)
	}
	if err := storage.Store(t.Context(), storeKey, content); err != nil {
		t.Fatal(err)
	}
}

// TestFleet has one node of two fetch, for as long as it runs.
func TestFleet(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b, _, _ := fleet(t)
		a.send(1, 5)
		settle(time.Hour)
		a.want(t, status.Polling)
		b.want(t, status.Standby)
		equal(t, "who fetches", b.Status().LeaseHolder, "a")
		equal(t, "entries", b.logged("updates fetched by another node"), 1)
		a.end()
		settle(12 * time.Second)
		b.want(t, status.Polling)
		a.send(2, 5)
		settle(time.Second)
		equal(t, "taken", []string{a.bot.has(), b.bot.has()}, []string{"1", "2"})
	})
}

// TestStopOfOne stops the node that fetches while a delivery is under way: the other one
// waits for its end, so that the update is not delivered twice.
func TestStopOfOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b, _, _ := fleet(t)
		a.bot.answer = func(int, telegram.Update) *telegram.Answer {
			time.Sleep(55 * time.Second)
			return ok()
		}
		a.send(1, 5)
		settle(time.Second)
		a.Stop()
		settle(50 * time.Second)
		b.want(t, status.Standby)
		settle(20 * time.Second)
		b.want(t, status.Polling)
		equal(t, "taken", []string{a.bot.has(), b.bot.has()}, []string{"1", ""})
		equal(t, "pending", a.pending(), 0)
	})
}

// TestKilled has a lease of a process that renews it no more.
func TestKilled(t *testing.T) {
	for name, until := range map[string]time.Duration{"in time": 30 * time.Second, "by a clock that is ahead": 48 * time.Hour, "long ago": -time.Hour} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				storage := storagetest.NewMemory()
				store(t, storage, leaseRecord{"killed", time.Now().Add(until)})
				n := newNode(t, "a", newAPI(t), storage, newBot(nil))
				n.Serve(n.config)
				settle(20 * time.Second)
				if until > 0 {
					n.want(t, status.Standby)
				} else {
					n.want(t, status.Polling)
				}
				settle(40 * time.Second)
				n.want(t, status.Polling)
			})
		})
	}
}

// TestKilledWithTheLock has a process that was killed while it held the lock, too.
func TestKilledWithTheLock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		storage := storagetest.NewMemory()
		store(t, storage, leaseRecord{"killed", time.Now().Add(30 * time.Second)})
		if err := storage.Lock(t.Context(), botKey+"/poll"); err != nil {
			t.Fatal(err)
		}
		n := newNode(t, "a", newAPI(t), storage, newBot(nil))
		n.Serve(n.config)
		settle(time.Minute)
		n.want(t, status.Polling)
		settle(time.Hour)
		n.want(t, status.Polling)
		equal(t, "entries", n.logged("lock in storage held too long"), 1)
	})
}

// TestRestart takes its own lease up again, and a damaged one.
func TestRestart(t *testing.T) {
	for name, record := range map[string]any{"own": leaseRecord{"a", time.Now().Add(100 * 365 * 24 * time.Hour)}, "damaged": "x"} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				storage := storagetest.NewMemory()
				store(t, storage, record)
				n := newNode(t, "a", newAPI(t), storage, newBot(nil))
				n.Serve(n.config)
				settle(time.Second)
				n.want(t, status.Polling)
			})
		})
	}
}

// TestLeaseTaken has another process write the lease: the one that had it yields, and
// begins nothing more.
func TestLeaseTaken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		storage := storagetest.NewMemory()
		n := newNode(t, "a", newAPI(t), storage, newBot(func(int, telegram.Update) *telegram.Answer { return failing(500) }))
		n.Serve(n.config)
		n.send(1, 5)
		settle(time.Minute)
		for range 6 {
			store(t, storage, leaseRecord{"b", time.Now().Add(30 * time.Second)})
			settle(10 * time.Second)
		}
		n.want(t, status.Standby)
		calls, tries := n.calls(), n.bot.got()
		for range 30 {
			store(t, storage, leaseRecord{"b", time.Now().Add(30 * time.Second)})
			settle(10 * time.Second)
		}
		equal(t, "calls", n.calls(), calls)
		equal(t, "tries", n.bot.got(), tries)
	})
}

// TestLeaseTakenWhileIdle ends the call under way, too.
func TestLeaseTakenWhileIdle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		storage := storagetest.NewMemory()
		n := newNode(t, "a", newAPI(t), storage, newBot(nil))
		n.Serve(n.config)
		settle(time.Minute)
		store(t, storage, leaseRecord{"b", time.Now().Add(30 * time.Second)})
		settle(12 * time.Second)
		n.want(t, status.Standby)
		n.send(1, 5)
		settle(time.Second)
		equal(t, "taken", n.bot.has(), "")
	})
}

// TestStorageAway takes storage away: from the node that polls, which goes on, and from one
// that does not, which waits.
func TestStorageAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b, storageA, storageB := fleet(t)
		away := storagetest.Failing(errors.New("storage is away"), "lock", "load", "store")
		storageA.Set(away)
		storageB.Set(away)
		settle(time.Hour)
		a.send(1, 5)
		settle(time.Second)
		a.want(t, status.Polling)
		equal(t, "taken", a.bot.has(), "1")
		equal(t, "entries", a.logged("lease in storage not renewed"), 1)
		b.want(t, status.Failing)
		if detail := b.Status().Detail; !strings.Contains(detail, "storage is away") {
			t.Errorf("got %q", detail)
		}
		equal(t, "entries", b.logged("updates not fetched"), 1)
		storageA.Set(nil)
		settle(time.Minute)
		storageB.Set(nil)
		settle(10 * time.Minute)
		a.want(t, status.Polling)
		b.want(t, status.Standby)
	})
}

// TestSlowStorage keeps nobody from fetching who has the lease.
func TestSlowStorage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, _, storageA, _ := fleet(t)
		storageA.Set(func(string, string) storagetest.Fault { return storagetest.Fault{Delay: time.Hour} })
		settle(20 * time.Second)
		a.send(1, 5)
		settle(time.Second)
		equal(t, "taken", a.bot.has(), "1")
	})
}

// TestFight has storage away for the node that polls alone, so that another one takes the
// lease: the first is ended by Telegram's conflict.
func TestFight(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b, storageA, _ := fleet(t)
		storageA.Set(storagetest.Failing(errors.New("storage is away"), "lock", "load", "store"))
		settle(5 * time.Minute)
		a.want(t, status.Failing)
		b.want(t, status.Polling)
		calls := a.calls()
		settle(10 * time.Minute)
		if during := a.calls() - calls; during > 13 {
			t.Errorf("%d calls of both in 10 minutes", during)
		}
		storageA.Set(nil)
		settle(10 * time.Minute)
		a.want(t, status.Standby)
		b.want(t, status.Polling)
	})
}

// TestPanicOfStorage has a storage that panics, with a secret in its value.
func TestPanicOfStorage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b, storageA, storageB := fleet(t)
		panics := func(string, string) storagetest.Fault { panic("planted secret") }
		storageA.Set(panics)
		storageB.Set(panics)
		settle(time.Minute)
		a.want(t, status.Polling)
		b.want(t, status.Failing)
		if text := fmt.Sprint(a.logs.All(), b.logs.All()); !strings.Contains(text, "panic in the poller") || strings.Contains(text, "planted") {
			t.Errorf("logged: %s", text)
		}
		a.end() // gives back what it cannot
		storageB.Set(nil)
		settle(2 * time.Minute)
		b.want(t, status.Polling)
	})
}
