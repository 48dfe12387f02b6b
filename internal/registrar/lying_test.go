package registrar

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/zap"

	"github.com/caddy-telegram/telegramwebhook/internal/secret"
	"github.com/caddy-telegram/telegramwebhook/internal/storagetest"
)

// gate is a node with a kept secret, as its gate judges requests.
type gate struct {
	*node
	kept    *secret.Kept
	storage *storagetest.Faulty // as this node sees it
}

// newGate starts a node on a storage that others share.
func newGate(t *testing.T, name string, api *server, shared *storagetest.Memory, every time.Duration) *gate {
	t.Helper()
	g := &gate{storage: storagetest.NewFaulty(shared)}
	want := wanted
	c := config(t, name, api, g.storage, want)
	want.Secret = ""
	c.Interval = 30 * time.Second
	g.kept = &secret.Kept{
		Storage: c.Storage, Prefix: botKey, Every: every, Grace: every,
		Memory: new(secret.Memory), Alone: &c.Memory.Alone, Logger: zap.NewNop(),
		Missing: func() { g.Look() },
	}
	c.Secrets = g.kept
	g.node = start(t, c, api, want)
	return g
}

// judge is what the gate answers to a request with that secret.
func (g *gate) judge(ctx context.Context, value string) int {
	doubt := !g.kept.Match(value) && g.kept.Refresh(ctx)
	switch {
	case g.kept.Match(value):
		return 200
	case doubt, g.kept.Current() == "":
		return 503
	}
	return 403
}

// tally counts answers.
type tally struct {
	mu     sync.Mutex
	counts map[int]int
}

func (c *tally) add(status int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.counts[status]++
}

// TestStorageThatLies has four nodes rotate every few seconds, with 200 updates a second,
// while the habits of each kind of storage come and go: on one node, or on all. In the
// middle of each fault, a node is replaced by one that knows nothing.
func TestStorageThatLies(t *testing.T) {
	afflictions, replacements := []int{1, 4}, []int{0, -1, 3}
	if !*all {
		replacements = replacements[:1]
	}
	if testing.Short() {
		afflictions = afflictions[:1]
	}
	for _, mode := range slices.Sorted(maps.Keys(storagetest.Modes)) {
		for _, afflicted := range afflictions {
			for _, replaced := range replacements {
				t.Run(fmt.Sprintf("%s on %d of 4 nodes, replaced %d", mode, afflicted, replaced), func(t *testing.T) {
					synctest.Test(t, func(t *testing.T) {
						lie(t, replaced, func(gates []*gate, begins bool) {
							for _, g := range gates[:afflicted] {
								g.storage.Set(nil)
								if begins {
									g.storage.Set(storagetest.Modes[mode])
								}
							}
						})
					})
				})
			}
		}
	}
	for _, replaced := range []int{-1, 0} {
		t.Run(fmt.Sprintf("emptied, replaced %d", replaced), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				lie(t, replaced, func(gates []*gate, begins bool) {
					if begins {
						keys, _ := gates[0].storage.List(t.Context(), botKey, true)
						for _, key := range keys {
							_ = gates[0].storage.Delete(t.Context(), key)
						}
					}
				})
			})
		})
	}
}

// lie has the fleet at work for two minutes, with a fault that begins and ends every 17 s; in
// the short form for two of these.
func lie(t *testing.T, replaced int, fault func(gates []*gate, begins bool)) {
	const every = 6 * time.Second
	seconds := 120
	if testing.Short() {
		seconds = 34
	}
	api, shared := newTelegram(t), storagetest.NewMemory()
	var gates []*gate
	for n := range 4 {
		gates = append(gates, newGate(t, fmt.Sprint("node", n), api, shared, every))
	}
	settle(10 * time.Second)
	answers, faults := tally{counts: make(map[int]int)}, 0
	var updates sync.WaitGroup
	for n := range 200 * seconds {
		switch phase := n % 3400; {
		case phase == 1000:
			faults++
			fault(gates, true)
		case phase == 1400 && replaced >= 0:
			faults++
			old := gates[replaced]
			old.Stop()
			gates[replaced] = newGate(t, fmt.Sprint("node", replaced), api, shared, every)
			gates[replaced].storage.Set(old.storage.Fault())
			old.storage.Set(nil) // so that its last reading ends
		case phase == 2400:
			fault(gates, false)
		}
		g, value := gates[n%len(gates)], api.registered().Secret
		updates.Go(func() {
			status := g.judge(t.Context(), value)
			if answers.add(status); status == 403 && answers.counts[403] < 4 {
				t.Errorf("%s refuses a genuine update after %s", g.Node.Name, time.Duration(n)*5*time.Millisecond)
			}
		})
		time.Sleep(5 * time.Millisecond)
	}
	updates.Wait()
	settle(30 * time.Second)
	for _, g := range gates {
		if status := g.judge(t.Context(), api.registered().Secret); status != 200 {
			t.Errorf("in the end, %s answers %d", g.Node.Name, status)
		}
	}
	calls, secrets := api.calls(), make(map[string]bool)
	for _, call := range api.Calls("setWebhook") {
		secrets[call.Params["secret_token"]] = true
	}
	rotations := len(secrets) - 1
	t.Logf("passed %d, refused with 403 %d, 503 %d; %d rotations, %d faults, %d calls of setWebhook",
		answers.counts[200], answers.counts[403], answers.counts[503], rotations, faults, calls)
	// A node that reads what is old writes it back: others may repeat a call, once or twice a fault.
	if calls > 1+rotations+2*faults || calls > 1+rotations+faults && !strings.Contains(t.Name(), "old") {
		t.Errorf("%d calls of setWebhook for %d rotations and %d faults", calls, rotations, faults)
	}
}
