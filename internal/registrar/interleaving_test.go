package registrar

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"net/http"
	"path"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/caddyserver/certmagic"
	"go.uber.org/zap"

	"github.com/caddy-telegram/telegramwebhook/internal/botapi"
	"github.com/caddy-telegram/telegramwebhook/internal/secret"
	"github.com/caddy-telegram/telegramwebhook/internal/storage"
	"github.com/caddy-telegram/telegramwebhook/internal/storagetest"
)

// all has TestInterleavings and TestStorageThatLies walk through all cases, and not only some.
var all = flag.Bool("all", false, "walk through all orders of steps and all faults")

// TestInterleavings walks through the orders in which two nodes can take the steps of a
// rotation, or of a change of ownership. A step is one operation of storage or one call of
// the Bot API. In each order a node is killed, or an operation fails, at every step. After
// each step, every node that lives accepts Telegram's secret, or answers 503; and in the
// end the nodes agree, and call no more.
func TestInterleavings(t *testing.T) {
	for name, plans := range map[string][]plan{
		"the lock holds":            plansWith(1, false),
		"the lock is granted twice": plansWith(2, true),
	} {
		for _, ownership := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, ownership %v", name, ownership), func(t *testing.T) {
				every := 29
				if testing.Short() {
					every = 101
				}
				walked := 0
				for n, p := range plans {
					if !*all && n%every != 0 {
						continue
					}
					p.ownership = ownership
					synctest.Test(t, func(t *testing.T) { walk(t, p) })
					if walked++; t.Failed() {
						return
					}
				}
				t.Logf("%d orders", walked)
			})
		}
	}
}

// plan is one order of steps, with what goes wrong in it.
type plan struct {
	switches  []int // the steps after which the other node goes on
	first     int   // the node that begins
	broken    bool  // the lock is granted to both
	ownership bool  // the second node has another configuration
	node      int   // which meets the fault
	step      int   // of that node
	fault     string
}

const (
	maxSteps = 24 // of one node, in the rotation; after them it goes on without the scheduler
	kill     = "killed"
)

// faults are what can go wrong at a step.
var faults = []string{"", kill, "fails", "fails, but happens", "not there", "old"}

// plansWith lists the orders with up to so many switches.
func plansWith(switches int, broken bool) (plans []plan) {
	orders := [][]int{nil}
	for at := range 2 * maxSteps {
		orders = append(orders, []int{at})
	}
	if switches > 1 {
		for at := range maxSteps {
			for length := 1; length <= 6; length++ {
				orders = append(orders, []int{at, at + length})
			}
		}
	}
	for _, order := range orders {
		for first := range 2 {
			plans = append(plans, plan{switches: order, first: first, broken: broken})
			if len(order) > 1 {
				continue
			}
			for step := range maxSteps {
				for _, fault := range faults[1:] {
					if len(order) == 0 || step%4 == order[0]%4 {
						plans = append(plans, plan{switches: order, first: first, broken: broken, step: step, fault: fault})
					}
				}
			}
		}
	}
	return plans
}

// stepper is one node's way to storage and to Telegram, a step at a time.
type stepper struct {
	certmagic.Storage
	api    http.RoundTripper
	broken bool
	held   *atomic.Bool // the lock, for both nodes

	ready chan string        // the step that is about to be taken
	goOn  chan string        // what goes wrong with it
	free  chan struct{}      // closed when the scheduler is not needed any more
	old   map[string][]byte  // what storage held at first
	stop  context.CancelFunc // kills the node
}

func (s *stepper) step(what string) (fault string) {
	select {
	case s.ready <- what:
		return <-s.goOn
	case <-s.free:
		return ""
	}
}

var errFault = errors.New("connection refused")

func (s *stepper) Load(ctx context.Context, key string) ([]byte, error) {
	switch s.step("load " + path.Base(key)) {
	case kill, "fails", "fails, but happens":
		return nil, errFault
	case "not there":
		return nil, fs.ErrNotExist
	case "old":
		if content, ok := s.old[key]; ok {
			return content, nil
		}
		return nil, fs.ErrNotExist
	}
	return s.Storage.Load(ctx, key)
}

func (s *stepper) Store(ctx context.Context, key string, content []byte) error {
	switch s.step("store " + path.Base(key)) {
	case kill, "fails", "not there":
		return errFault
	case "fails, but happens":
		_ = s.Storage.Store(ctx, key, content)
		return errFault
	}
	return s.Storage.Store(ctx, key, content)
}

func (s *stepper) Lock(ctx context.Context, name string) error {
	for {
		switch s.step("lock") {
		case kill, "fails", "not there":
			return errFault
		}
		if s.broken || s.held.CompareAndSwap(false, true) {
			return nil
		}
		select {
		case <-time.After(100 * time.Millisecond):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func (s *stepper) Unlock(context.Context, string) error {
	s.held.Store(false)
	return nil
}

func (s *stepper) RoundTrip(r *http.Request) (*http.Response, error) {
	switch s.step(path.Base(r.URL.Path)) {
	case kill, "fails", "not there":
		return nil, errFault
	case "fails, but happens":
		if answer, err := s.api.RoundTrip(r); err == nil {
			_ = answer.Body.Close()
		}
		return nil, errFault
	}
	return s.api.RoundTrip(r)
}

// walker is a node that takes its steps one by one.
type walker struct {
	*stepper
	r     *Registrar
	kept  *secret.Kept
	gate  *secret.Kept // the same memory, with an undisturbed way to storage
	dead  bool
	steps int
	done  chan struct{}
}

const rotateEvery = time.Hour

func newWalker(t *testing.T, name string, api *server, shared *storagetest.Memory, held *atomic.Bool, p plan, want botapi.Webhook) *walker {
	t.Helper()
	account, err := botapi.NewAccount(token, "", false)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	w := &walker{
		stepper: &stepper{
			Storage: shared, api: api.API, broken: p.broken, held: held,
			ready: make(chan string), goOn: make(chan string), free: make(chan struct{}), old: make(map[string][]byte), stop: cancel,
		},
		done: make(chan struct{}),
	}
	over := func(module certmagic.Storage) *storage.Storage {
		return &storage.Storage{Module: module, Health: new(storage.Health), Logger: zap.NewNop()}
	}
	memory := new(Memory)
	w.kept = &secret.Kept{
		Storage: over(w.stepper), Prefix: botKey, Every: rotateEvery, Grace: time.Minute,
		Memory: new(secret.Memory), Alone: &memory.Alone, Logger: zap.NewNop(), Missing: func() {},
	}
	gate := *w.kept
	gate.Storage = over(shared)
	w.gate = &gate
	hook := new(hook)
	hook.wanted.Store(&want)
	w.r = Start(Config{
		Secrets: w.kept, API: botapi.NewClient(account, w.stepper), Storage: over(w.stepper), Prefix: botKey,
		MACKey: []byte("token"), Node: Node{name, name + "-1"}, Interval: interval, Begin: make(chan struct{}),
		Memory: memory, Logger: zap.NewNop(),
	}, hook)
	t.Cleanup(w.r.Stop)
	memory.leader.Store(w.r)
	go func() {
		defer close(w.done)
		for ctx.Err() == nil {
			wait, _ := w.r.tryOnce(ctx)
			select {
			case <-time.After(max(wait, time.Second)):
			case <-ctx.Done():
			}
		}
	}()
	return w
}

// finish lets the node go on without the scheduler.
func (w *walker) finish() {
	close(w.free)
}

// accepts reports whether the gate passes Telegram's secret, or answers 503.
func (w *walker) accepts(ctx context.Context, value string) bool {
	return w.gate.Match(value) || w.gate.Current() == "" || w.gate.Refresh(ctx) || w.gate.Match(value)
}

// walk begins with a webhook that is registered and a rotation that is due.
func walk(t *testing.T, p plan) {
	api, shared, held := newTelegram(t), storagetest.NewMemory(), new(atomic.Bool)
	want := wanted
	want.Secret = ""
	setup := newWalker(t, "a", api, shared, held, plan{}, want)
	setup.finish()
	settle(time.Second)
	setup.stop()
	settle(0)
	time.Sleep(rotateEvery)

	other := want
	if p.ownership {
		other.URL = newer.URL
	}
	nodes := []*walker{newWalker(t, "a", api, shared, held, p, want), newWalker(t, "b", api, shared, held, p, other)}
	keys, _ := shared.List(t.Context(), botKey, true)
	for _, key := range keys {
		content, _ := shared.Load(t.Context(), key)
		nodes[0].old[key], nodes[1].old[key] = content, content
	}
	check := func(when string) {
		t.Helper()
		for n, w := range nodes {
			if value := api.registered().Secret; !w.dead && !w.accepts(t.Context(), value) {
				t.Errorf("%s: node %d answers 403 to Telegram", when, n)
			}
		}
	}
	turn, taken := p.first, 0
	for idle := 0; idle < 100 && taken < 2*maxSteps && !t.Failed(); {
		synctest.Wait()
		w := nodes[turn]
		var what string
		if !w.dead && w.steps < maxSteps {
			select {
			case what = <-w.ready:
			default:
			}
		}
		if what == "" { // it waits for the time, or is at its end
			turn, idle = 1-turn, idle+1
			if idle%2 == 0 {
				time.Sleep(100 * time.Millisecond)
			}
			continue
		}
		idle = 0
		fault := ""
		if turn == p.node && w.steps == p.step {
			fault = p.fault
		}
		if fault == kill {
			w.dead = true
			w.stop()
			held.Store(false) // a lock goes stale
			w.goOn <- kill
			w.finish()
		} else {
			w.goOn <- fault
		}
		w.steps++
		taken++
		synctest.Wait()
		check(fmt.Sprintf("after step %d, %s of node %d, %s", taken, what, turn, fault))
		if slices.Contains(p.switches, taken) {
			turn = 1 - turn
		}
	}
	for _, w := range nodes {
		w.broken = false
		if !w.dead {
			w.finish()
		}
	}
	settle(6 * interval)
	check("in the end")
	calls := api.calls()
	settle(4 * interval)
	check("afterwards")
	if more := api.calls() - calls; more > 0 {
		t.Errorf("the nodes go on to call setWebhook: %d times", more)
	}
	most := 1 + 1 + 2 // the first, the rotation, and what went wrong
	if p.ownership {
		most++
	}
	if calls > most {
		t.Errorf("%d calls of setWebhook", calls)
	}
	if t.Failed() {
		t.Errorf("in the order %+v", p)
	}
	for _, w := range nodes {
		w.stop()
		<-w.done
	}
}
