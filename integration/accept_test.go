package integration

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/caddy-telegram/telegramwebhook/integration/caddytest"
)

// kept gives a node a kept secret in place of the configured one, with more lines.
func (f *fleet) kept(n *fleetNode, lines ...string) {
	f.t.Helper()
	config := keptSite(n.port, f.address, f.bot, fmt.Sprintf("admin localhost:%d\n\tstorage file_system %s", n.admin, f.storage),
		append(lines, fmt.Sprintf("url https://localhost:%d/", f.port), "rotate 30d 3s")...)
	if err := caddytest.WriteFile(n.File("Caddyfile"), config); err != nil {
		f.t.Fatal(err)
	}
	caddytest.Load(f.t, n.admin, config)
	f.wantRegistered(n, 1)
}

// genuineLoad has Telegram send updates to each node, all the time, with the secret that it
// has. It returns what ends that, and then the answers by status.
func (f *fleet) genuineLoad(nodes []*fleetNode) (stop func() map[int]int) {
	var mu sync.Mutex
	var sending sync.WaitGroup
	answers, done := make(map[int]int), make(chan struct{})
	for i, n := range nodes {
		client := n.ClientOf(f.storage + "/pki/authorities/local/root.crt")
		url := fmt.Sprintf("https://localhost:%d/", n.port)
		sending.Go(func() {
			for tick := time.NewTicker(10 * time.Millisecond); ; {
				select {
				case <-done:
					tick.Stop()
					return
				case <-tick.C:
				}
				status := caddytest.Do(f.t, client, caddytest.Update(f.t, url, f.api.Webhook(caddytest.BotToken).Secret)).Status
				mu.Lock()
				if answers[status]++; status != http.StatusOK && answers[status] < 4 {
					f.t.Errorf("node %d answers a genuine update with %d", i, status)
				}
				mu.Unlock()
			}
		})
	}
	return sync.OnceValue(func() map[int]int {
		close(done)
		sending.Wait()
		return answers
	})
}

// TestFromConfiguredToKept goes from a configured secret to a kept one on four nodes under
// load, as docs/secret.md says.
func TestFromConfiguredToKept(t *testing.T) {
	t.Parallel()
	bot := caddytest.StartBot(t, func(http.ResponseWriter, *http.Request) {})
	f := startFleetOf(t, 4, bot)
	stop := f.genuineLoad(f.nodes)
	defer stop()

	accept := func(n *fleetNode) {
		t.Helper()
		f.kept(n, "accept {env.TELEGRAM_SECRET}")
	}
	accept(f.nodes[0])
	f.give(f.nodes[0]) // back to where it was
	f.wantRegistered(f.nodes[0], 1)
	for _, n := range f.nodes {
		accept(n)
		if f.api.Webhook(caddytest.BotToken).Secret != caddytest.RightSecret {
			t.Fatal("another secret is registered before all nodes accept it")
		}
	}
	if _, errs, status := f.nodes[2].CLI("rotate", "--address", fmt.Sprintf("localhost:%d", f.nodes[2].admin)); status != 0 {
		t.Fatalf("rotate: %d: %s", status, errs)
	}
	kept := f.api.Webhook(caddytest.BotToken).Secret
	if kept == caddytest.RightSecret {
		t.Fatal("rotate has left the configured secret registered")
	}
	current, previous := "", []string{caddytest.RightSecret}
	caddytest.WaitUntil(t, "the grace period is over", func() bool {
		current, _, previous = caddytest.ParseSecretRecord([]byte(caddytest.ReadFile(t, caddytest.SecretRecord(t, f.storage))))
		return len(previous) == 0
	})
	for _, n := range f.nodes {
		f.kept(n)
	}
	answers := stop()
	t.Logf("answers by status: %v", answers)
	if answers[http.StatusOK] < 100 {
		t.Errorf("only %d updates have passed", answers[http.StatusOK])
	}
	f.wantSet(5, "the configured secret, the same as a kept one, there and back, and the first that is made")
	if current != kept || f.api.Webhook(caddytest.BotToken).Secret != kept {
		t.Error("the secret has changed again")
	}
	for i, n := range f.nodes {
		client := n.ClientOf(f.storage + "/pki/authorities/local/root.crt")
		url := fmt.Sprintf("https://localhost:%d/", n.port)
		caddytest.WaitUntil(t, fmt.Sprintf("node %d refuses the configured secret", i), func() bool {
			// 503 for a minute: nodes may not agree yet.
			return caddytest.Do(t, client, caddytest.Update(t, url, caddytest.RightSecret)).Status != http.StatusOK
		})
		if n.Stop(); strings.Contains(n.Out.String(), "webhook lost") {
			t.Errorf("node %d: the nodes have fought", i)
		}
	}
}
