package integration

import (
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/caddy-telegram/telegramwebhook/integration/caddytest"
	"github.com/caddy-telegram/telegramwebhook/internal/telegramtest"
)

// fleet is some Caddy processes on one storage that all register one bot with one
// address, as replicas behind a load balancer do.
type fleet struct {
	t           testing.TB
	api         *telegramtest.API
	address     string // of the stand-in
	storage     string
	port        int // of the address that is registered
	bot         string
	nodes       []*fleetNode
	generations int
}

type fleetNode struct {
	*caddytest.Process
	admin, port int
	lines       []string
}

// startFleet starts three nodes at once, with the same lines in the directive and no bot.
func startFleet(t testing.TB, lines ...string) *fleet {
	t.Helper()
	return startFleetOf(t, 3, "127.0.0.1:9", lines...)
}

// startFleetOf starts so many nodes with a bot at that address.
func startFleetOf(t testing.TB, size int, bot string, lines ...string) *fleet {
	t.Helper()
	f := &fleet{t: t, storage: caddytest.StorageFolder(t), port: caddytest.FreePort(t), bot: bot}
	t.Cleanup(func() {
		if !t.Failed() {
			return
		}
		for i, n := range f.nodes {
			t.Logf("node %d wrote:\n%s", i, n.Out)
		}
	})
	f.api, f.address = caddytest.StartTelegram(t)
	// Caddy's CA is made before: three that make it at once make three roots.
	caddytest.Start(t, fmt.Sprintf("{\n\tadmin off\n\tstorage file_system %s\n\tskip_install_trust\n\tauto_https disable_redirects\n}\nhttps://localhost:%d {\n}\n",
		f.storage, caddytest.FreePort(t))).Stop()
	for range size {
		f.nodes = append(f.nodes, &fleetNode{admin: caddytest.FreePort(t), port: caddytest.FreePort(t), lines: lines})
	}
	var starting sync.WaitGroup
	for _, n := range f.nodes {
		starting.Go(func() { n.Process = caddytest.Start(t, f.config(n)) })
	}
	starting.Wait()
	for _, n := range f.nodes {
		f.wantRegistered(n, 1)
	}
	return f
}

func (f *fleet) config(n *fleetNode) string {
	options := fmt.Sprintf("admin localhost:%d\n\tstorage file_system %s", n.admin, f.storage)
	lines := n.lines
	if !slices.ContainsFunc(lines, func(line string) bool { return strings.HasPrefix(line, "url ") }) {
		lines = append(slices.Clone(lines), fmt.Sprintf("url https://localhost:%d/", f.port))
	}
	return registeringSite(n.port, f.address, f.bot, options, lines...)
}

// give loads a configuration into a node, and keeps it for a restart.
func (f *fleet) give(n *fleetNode, lines ...string) {
	f.t.Helper()
	n.lines = lines
	if err := caddytest.WriteFile(n.File("Caddyfile"), f.config(n)); err != nil {
		f.t.Fatal(err)
	}
	caddytest.Load(f.t, n.admin, f.config(n))
}

// touch reloads a node with what has nothing to do with the registration.
func (f *fleet) touch(n *fleetNode) {
	f.t.Helper()
	f.generations++
	f.give(n, append(slices.DeleteFunc(slices.Clone(n.lines), func(line string) bool { return strings.HasPrefix(line, "retry_after") }),
		fmt.Sprintf("retry_after %ds", 10+f.generations))...)
}

// wantRegistered waits until a node takes itself for registered, or not.
func (f *fleet) wantRegistered(n *fleetNode, registered int) {
	f.t.Helper()
	want := fmt.Sprintf(`caddy_telegram_webhook_registered{name="123456789"} %d`, registered)
	caddytest.WaitUntil(f.t, want, func() bool { return strings.Contains(caddytest.Metrics(f.t, n.admin), want) })
}

// wantSuperseded waits until a node has said so often that it is superseded.
func (f *fleet) wantSuperseded(n *fleetNode, times int) {
	f.t.Helper()
	caddytest.WaitUntil(f.t, fmt.Sprintf("superseded, %d times", times), func() bool { return strings.Count(n.Out.String(), "webhook superseded") >= times })
}

// wantSet counts the calls of setWebhook that were carried out.
func (f *fleet) wantSet(n int, when string) {
	f.t.Helper()
	set := slices.DeleteFunc(f.api.Calls("setWebhook"), func(c telegramtest.Call) bool { return c.Status == http.StatusTooManyRequests })
	if len(set) != n {
		f.t.Errorf("%s: %d calls of setWebhook, want %d", when, len(set), n)
	}
}

// TestRollOut changes the configuration of three nodes one by one, each time in
// another field, with the old ones at work, reloaded, and restarted meanwhile, and
// back. With -short it is one change.
func TestRollOut(t *testing.T) {
	t.Parallel()
	const check = "check 10s"
	f := startFleet(t, check)
	f.wantSet(1, "three nodes at once")
	changes := []struct {
		change  string
		arrived func(telegramtest.Webhook) bool
	}{
		{"max_connections 7", func(w telegramtest.Webhook) bool { return w.MaxConnections == 7 }},
		{fmt.Sprintf("url https://localhost:%d/new", f.port), func(w telegramtest.Webhook) bool { return strings.HasSuffix(w.URL, "/new") }},
	}
	for i, tc := range changes[:size(len(changes), 1)] {
		first, second, third := f.nodes[0], f.nodes[1], f.nodes[2]
		superseded := strings.Count(second.Out.String(), "webhook superseded")
		f.wantRegistered(second, 1)
		f.wantRegistered(third, 1)
		f.give(first, check, tc.change)
		caddytest.WaitUntil(t, tc.change+" is registered", func() bool { return tc.arrived(f.api.Webhook(caddytest.BotToken)) })

		// The old ones notice by themselves, and know it after a reload and a restart.
		f.wantRegistered(second, 0)
		f.wantRegistered(third, 0)
		f.touch(second)
		f.wantSuperseded(second, superseded+2)
		third.Restart()
		f.wantSuperseded(third, 1)

		f.give(second, check, tc.change)
		f.wantRegistered(second, 1)
		f.give(third, check, tc.change)
		f.wantRegistered(third, 1)
		f.wantSet(i+2, "after "+tc.change)
		if !tc.arrived(f.api.Webhook(caddytest.BotToken)) {
			t.Errorf("after %s on all nodes something else is registered", tc.change)
		}
	}

	if !testing.Short() { // back to where it was, on one node after the other
		f.give(f.nodes[0], check)
		for _, n := range f.nodes[1:] {
			f.wantRegistered(n, 0)
			f.give(n, check)
			f.wantRegistered(n, 1)
		}
		f.wantSet(4, "after the roll-back")
		if w := f.api.Webhook(caddytest.BotToken); !strings.HasSuffix(w.URL, "/") {
			t.Errorf("after the roll-back %s is registered", w.URL)
		}
	}
	for _, n := range f.nodes {
		n.Stop()
		for _, never := range []string{"webhook lost", "webhook contested"} {
			if strings.Contains(n.Out.String(), never) {
				t.Errorf("%q is in the log: the nodes have fought", never)
			}
		}
	}
}

// TestKilledNode starts three nodes at once, and kills one while it holds the lock.
// With -short it holds none: to wait for a stale lock takes 20 seconds.
func TestKilledNode(t *testing.T) {
	t.Parallel()
	f := startFleet(t)
	f.wantSet(1, "three nodes at once")

	// Another goes on when the lock is stale, or after 20 seconds if those that
	// held it before keep it fresh.
	killed, next := f.nodes[0], f.nodes[1]
	if !testing.Short() {
		f.delaySetWebhook(time.Minute)
		f.give(killed, "max_connections 9")
		caddytest.WaitUntil(t, "it is in the middle of its call", func() bool { return len(f.api.Calls("setWebhook")) > 1 })
		f.api.Fail(nil)
	}
	_ = killed.Cmd.Process.Signal(syscall.SIGKILL)
	_ = killed.Cmd.Wait()
	f.give(next, "max_connections 9")
	caddytest.WaitUntil(t, "another has registered", func() bool { return f.api.Webhook(caddytest.BotToken).MaxConnections == 9 })
	f.wantRegistered(next, 1)
}

// delaySetWebhook lets Telegram take its time.
func (f *fleet) delaySetWebhook(by time.Duration) {
	f.api.Fail(func(method string, _ map[string]string) *telegramtest.Fault {
		if strings.EqualFold(method, "setWebhook") {
			return &telegramtest.Fault{Delay: by}
		}
		return nil
	})
}

// TestStoppedInTheMiddle reloads a node and stops one while they call Telegram:
// what is under way is finished and not done again, and no lock is left behind.
func TestStoppedInTheMiddle(t *testing.T) {
	t.Parallel()
	f := startFleet(t)
	reloaded, stopped, other := f.nodes[0], f.nodes[1], f.nodes[2]
	other.Stop()

	f.delaySetWebhook(time.Second)
	well := func() int { return strings.Count(reloaded.Out.String(), "webhook already registered") }
	before := well()
	f.give(reloaded, "max_connections 8")
	caddytest.WaitUntil(t, "it is in the middle of its call", func() bool { return len(f.api.Calls("setWebhook")) == 2 })
	for i := range 2 {
		f.touch(reloaded)
		caddytest.WaitUntil(t, "the new configuration has seen that all is well", func() bool { return well() >= before+1+i })
	}
	f.wantSet(2, "after a reload in the middle of a call")

	// One that Telegram lets wait for long gives the lock back all the same.
	f.delaySetWebhook(time.Minute)
	f.give(stopped, "max_connections 9")
	caddytest.WaitUntil(t, "it is in the middle of its call", func() bool { return len(f.api.Calls("setWebhook")) == 3 })
	f.api.Fail(nil)
	stopped.Stop()
	f.give(reloaded, "max_connections 9")
	caddytest.WaitUntil(t, "the other one has registered", func() bool { return f.api.Webhook(caddytest.BotToken).MaxConnections == 9 })
	reloaded.Stop()
	f.wantSet(4, "the first one, that which was finished, that which was broken off, and the last")
	for _, n := range []*fleetNode{reloaded, stopped} {
		for _, never := range []string{"lock in storage held too long", "lock in storage not released", "webhook not registered"} {
			if strings.Contains(n.Out.String(), never) {
				t.Errorf("%q is in the log:\n%s", never, n.Out)
			}
		}
	}
}

// TestFightOfProcesses has two Caddy processes that share nothing but the bot.
// Each repairs what the other has done, three times, and then says who it is. With
// -short it is over after the first repair.
func TestFightOfProcesses(t *testing.T) {
	t.Parallel()
	api, address := caddytest.StartTelegram(t)
	var processes []*caddytest.Process
	for _, path := range []string{"/one", "/two"} {
		c := caddytest.Start(t, registeringSite(caddytest.FreePort(t), address, "127.0.0.1:9", "admin off", "check 10s", "url "+path))
		c.Out.Wait(t, "webhook registered")
		processes = append(processes, c)
	}
	end := "webhook contested"
	if testing.Short() {
		end = "webhook lost"
	}
	caddytest.WaitUntil(t, "somebody logs "+end, func() bool {
		return slices.ContainsFunc(processes, func(c *caddytest.Process) bool { return strings.Contains(c.Out.String(), end) })
	})
	for i, c := range processes {
		c.Stop()
		if lost := strings.Count(c.Out.String(), "webhook registered") - 1; lost > 3 {
			t.Errorf("process %d has repaired %d times, want at most 3", i, lost)
		}
		if !strings.Contains(c.Out.String(), "webhook contested") {
			continue
		}
		if other := []string{"/two", "/one"}[i]; !regexp.MustCompile(`"webhook contested".*"found":"https://localhost:\d+` + other).MatchString(c.Out.String()) {
			t.Errorf("process %d does not say who the other is", i)
		}
	}
	set := 0
	for _, call := range api.Calls("setWebhook") {
		if call.Status == http.StatusOK { // others came within the same second
			set++
		}
	}
	if set > 8 {
		t.Errorf("the webhook was set %d times, want at most 2 first ones and 3 repairs each", set)
	}
}
