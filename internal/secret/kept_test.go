package secret

import (
	"encoding/json"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/caddyserver/certmagic"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/caddy-telegram/telegramwebhook/internal/storage"
	"github.com/caddy-telegram/telegramwebhook/internal/storagetest"
)

const (
	prefix    = "telegram_webhook/1"
	recordKey = prefix + "/secret.json"
	every     = 30 * 24 * time.Hour
	grace     = 10 * time.Minute
)

// node is a node with kept secrets, and what it has told.
type node struct {
	*Kept
	t    *testing.T
	logs *observer.ObservedLogs

	telegram string // the secret that it is known to have; empty for none
}

func newNode(t *testing.T, module certmagic.Storage) *node {
	core, logs := observer.New(zap.InfoLevel)
	n := &node{t: t, logs: logs, Kept: &Kept{
		Storage: &storage.Storage{Module: module, Health: new(storage.Health), Logger: zap.New(core)},
		Prefix:  prefix, Every: every, Grace: grace,
		Memory: new(Memory), Alone: new(atomic.Bool), Logger: zap.New(core),
		Missing: func() {},
	}}
	n.Alone.Store(true)
	return n
}

// advance returns what is to be registered now.
func (n *node) advance() string {
	n.t.Helper()
	var registered func(string) bool
	if n.telegram != "" {
		registered = func(value string) bool { return value == n.telegram }
	}
	value, err := n.Advance(n.t.Context(), false, registered)
	if err != nil {
		n.t.Fatal(err)
	}
	return value
}

// rotate begins a rotation.
func (n *node) rotate() {
	n.t.Helper()
	if _, err := n.Advance(n.t.Context(), true, nil); err != nil {
		n.t.Fatal(err)
	}
	if !n.Status().Rotating {
		n.t.Error("no rotation has begun")
	}
}

// register advances, and tells that Telegram has what that gave.
func (n *node) register() string {
	n.t.Helper()
	value := n.advance()
	if _, err := n.Registered(n.t.Context(), value); err != nil {
		n.t.Fatal(err)
	}
	return value
}

// judge is how the gate judges a request with the secret: which of the accepted
// ones it is, or why it does not pass.
func (n *node) judge(value string) string {
	doubt := !n.Match(value) && n.Refresh(n.t.Context())
	rec := n.Memory.latest()
	n.Memory.mu.Lock()
	unsure := n.Memory.unsure
	n.Memory.mu.Unlock()
	switch match := n.Match(value); {
	case n.Current() == "":
		return "not ready"
	case !match && doubt && unsure:
		return "missing"
	case !match && doubt:
		return "doubtful"
	case !match:
		return "refused"
	case value == rec.Current.Value:
		return "current"
	case rec.Next != nil && value == rec.Next.Value:
		return "next"
	case !rec.holds(value):
		return "retained"
	}
	return "previous"
}

func (n *node) want(value, verdict string) {
	n.t.Helper()
	if got := n.judge(value); got != verdict {
		n.t.Errorf("%.6s… is %s, want %s", value, got, verdict)
	}
}

func (n *node) wantLog(message string, count int) {
	n.t.Helper()
	if got := n.logs.FilterMessage(message).Len(); got != count {
		n.t.Errorf("%d entries %q, want %d: %v", got, message, count, n.logs.All())
	}
}

// TestRotation goes through the steps of a rotation, on time.
func TestRotation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		storage := storagetest.NewMemory()
		n := newNode(t, storage)
		n.want("whatever", "not ready")
		first := n.register()
		n.want(first, "current")
		time.Sleep(every - 1)
		if got := n.register(); got != first {
			t.Error("rotated too early")
		}
		time.Sleep(time.Nanosecond)
		value, _ := n.Advance(t.Context(), false, nil)
		again := time.Until(n.Status().NextStep)
		if value != first || again != settleTime {
			t.Errorf("registered at once, or not looked at again in %s but in %s", settleTime, again)
		}
		time.Sleep(settleTime)
		second := n.advance()
		if second == first {
			t.Fatal("not rotated")
		}
		n.want(first, "current")
		n.want(second, "next")

		// Telegram does not take it: nothing changes, and it is tried again.
		time.Sleep(time.Hour)
		n.want(first, "current")
		if n.register() != second {
			t.Error("the rotation was given up")
		}
		n.want(first, "previous")
		n.want(second, "current")
		n.wantLog("secret rotated", 1)
		_, _ = n.Advance(t.Context(), false, nil)
		if again := time.Until(n.Status().NextStep); again != grace {
			t.Errorf("looks again in %s, want when the grace period is over", again)
		}
		time.Sleep(grace)
		n.want(first, "refused")
		n.advance()
		if content, _ := storage.Load(t.Context(), recordKey); strings.Contains(string(content), first) {
			t.Error("the old secret is still in storage")
		}
	})
}

// TestRotateOnDemand rotates at once, again and again, and off schedule.
func TestRotateOnDemand(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNode(t, storagetest.NewMemory())
		n.Every = 0
		values := []string{n.register()}
		for range 20 {
			n.rotate()
			time.Sleep(settleTime)
			values = append(values, n.register())
		}
		n.want(values[20], "current")
		for i, v := range values[:20] {
			want := "refused"
			if i >= 20-maxPrevious {
				want = "previous"
			}
			n.want(v, want)
		}
		_, _ = n.Advance(t.Context(), false, nil)
		if again := time.Until(n.Status().NextStep); again > grace || again <= 0 {
			t.Errorf("looks again in %s, want when the first grace period is over", again)
		}
		time.Sleep(grace)
		_, _ = n.Advance(t.Context(), false, nil)
		if again := n.Status().NextStep; !again.IsZero() {
			t.Errorf("looks again in %s, want never: rotation is off", again)
		}
	})
}

// TestNodes has a rotation on one node become known to another.
func TestNodes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var reads atomic.Int64
		storage := storagetest.NewFaulty(storagetest.NewMemory())
		a, b := newNode(t, storage), newNode(t, storage)
		first := a.register()
		b.want(first, "current")
		time.Sleep(readInterval)

		a.rotate()
		time.Sleep(settleTime)
		storage.Set(func(op, _ string) storagetest.Fault {
			if op == "load" {
				reads.Add(1)
				return storagetest.Fault{Delay: 100 * time.Millisecond}
			}
			return storagetest.Fault{}
		})
		second := a.advance()
		reads.Store(0)

		// A flood of forgeries makes it read once a second. The request with the
		// new secret is judged by what was read, though others began the reading.
		var flood sync.WaitGroup
		for range 100 {
			flood.Go(func() { b.want("forged", "refused") })
		}
		b.want(second, "next")
		flood.Wait()
		for range 100 {
			b.want("forged", "refused")
		}
		if n := reads.Load(); n != 1 {
			t.Errorf("%d readings of storage, want 1", n)
		}
		for range 10 {
			time.Sleep(readInterval)
			b.want("forged", "refused")
			b.want("forged", "refused")
		}
		if n := reads.Load(); n != 11 {
			t.Errorf("%d readings of storage in 10 more seconds, want 10", n-1)
		}
		storage.Set(nil)
		_, _ = a.Registered(t.Context(), second)
		time.Sleep(readInterval)
		time.Sleep(2 * settleTime)
		b.want(first, "previous") // b has looked by itself
		time.Sleep(grace)
		b.want(first, "refused")
		b.want(second, "current")
	})
}

// TestCrash ends a node after each durable step; another one takes it up.
func TestCrash(t *testing.T) {
	for name, steps := range map[string]func(*node){
		"before anything":               func(*node) {},
		"after the first secret":        func(n *node) { n.advance() },
		"after it was registered":       func(n *node) { n.register() },
		"after the next was stored":     func(n *node) { n.register(); n.rotate() },
		"after the next was registered": func(n *node) { n.register(); n.rotate(); time.Sleep(settleTime); n.advance() },
		"after it became current":       func(n *node) { n.register(); n.rotate(); time.Sleep(settleTime); n.register() },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				storage := storagetest.NewMemory()
				steps(newNode(t, storage))
				var before record
				content, _ := storage.Load(t.Context(), recordKey)
				_ = json.Unmarshal(content, &before)

				n := newNode(t, storage)
				if before.Current.Value != "" {
					n.want(before.Current.Value, "current") // at once, without a registrar
				}
				if before.Next != nil {
					n.want(before.Next.Value, "next")
				}
				n.advance()
				time.Sleep(settleTime)
				value := n.register()
				n.want(value, "current")
				if before.Next != nil && value != before.Next.Value {
					t.Error("the rotation was not taken up")
				}
				if before.Next != nil {
					n.want(before.Current.Value, "previous")
				}
				rec := n.Memory.latest()
				if rec.Next != nil || len(rec.Previous) > 1 {
					t.Errorf("not sound: %d previous, next: %v", len(rec.Previous), rec.Next != nil)
				}
			})
		})
	}
}

// TestNothingToDo writes nothing while nothing changes.
func TestNothingToDo(t *testing.T) {
	storage, value := given(t)
	storage.Set(storagetest.Failing(errAway, "store"))
	for range 3 {
		if newNode(t, storage).register() != value {
			t.Error("another secret is to be registered")
		}
	}
}
