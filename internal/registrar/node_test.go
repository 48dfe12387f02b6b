package registrar

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/caddyserver/certmagic"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/caddy-telegram/telegramwebhook/internal/botapi"
	"github.com/caddy-telegram/telegramwebhook/internal/registry"
	"github.com/caddy-telegram/telegramwebhook/internal/secret"
	"github.com/caddy-telegram/telegramwebhook/internal/storagetest"
)

// node is a registrar of a node, with what it has told.
type node struct {
	*Registrar
	wants  atomic.Pointer[botapi.Webhook]
	logs   *observer.ObservedLogs
	stop   context.CancelFunc
	events *[]string
}

// given is secrets that are configured.
type given struct{ n *node }

func (g given) Advance(context.Context, bool) (string, time.Duration, error) {
	return g.n.wants.Load().Secret, 0, nil
}

func (given) Status() secret.Status { return secret.Status{Source: "configured"} }

func (given) Registered(context.Context, string, error) (bool, error) { return false, nil }

// told counts the entries of that message in the log.
func (n *node) told(message string) int { return n.logs.FilterMessage(message).Len() }

var (
	wanted = botapi.Webhook{URL: "https://bot.example.com/", Secret: "a_secret", MaxConnections: 40}
	newer  = botapi.Webhook{URL: "https://bot.example.com/new", Secret: "a_secret", MaxConnections: 40}
)

const interval = 5 * time.Minute

const (
	botKey    = "telegram_webhook/1"
	recordKey = botKey + "/registration.json"
)

var bots, processes int

// claim is a bot that no other process of the test has.
func claim(t *testing.T, node string) *registry.Bot {
	t.Helper()
	bots++
	bot, release, err := registry.Claim(fmt.Sprint("bot ", bots), bots, node)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(release)
	return bot
}

// run starts a registrar of a node of its own for what is wanted.
func run(t *testing.T, name string, api API, storage certmagic.Storage, want botapi.Webhook) *node {
	t.Helper()
	return runFor(t, name, claim(t, name), api, storage, want)
}

// alone is a node on a storage of its own that has registered its bot and has
// been at work for so long.
func alone(t *testing.T, since time.Duration) (*telegram, *node) {
	t.Helper()
	api := new(telegram)
	n := run(t, "a", api, storagetest.NewMemory(), wanted)
	settle(since)
	return api, n
}

// beside runs a node with the same Telegram and storage.
func (n *node) beside(t *testing.T, name string, want botapi.Webhook) *node {
	t.Helper()
	other := run(t, name, n.API, n.Storage, want)
	settle(time.Second)
	return other
}

// again stops a node and starts it, as a restart and a reload do.
func (n *node) again(t *testing.T, want botapi.Webhook) *node {
	t.Helper()
	n.stop()
	return n.beside(t, n.Node.Name, want)
}

// fleet starts three nodes on one storage at once.
func fleet(t *testing.T) (api *telegram, nodes []*node) {
	t.Helper()
	api, storage := new(telegram), storagetest.NewMemory()
	for _, name := range []string{"a", "b", "c"} {
		nodes = append(nodes, run(t, name, api, storage, wanted))
	}
	settle(time.Second)
	return api, nodes
}

// runFor starts a registrar in the process that bot stands for. It stops with
// the test, if not before.
func runFor(t *testing.T, name string, bot *registry.Bot, api API, storage certmagic.Storage, want botapi.Webhook) *node {
	t.Helper()
	processes++
	core, logs := observer.New(zap.InfoLevel)
	var mu sync.Mutex
	n := &node{logs: logs, events: new([]string)}
	n.wants.Store(&want)
	n.Registrar = New(Config{
		Webhook:  func() (botapi.Webhook, error) { return *n.wants.Load(), Check(*n.wants.Load(), false) },
		Secrets:  given{n},
		API:      api,
		Storage:  storage,
		Prefix:   botKey,
		MACKey:   []byte("token"),
		Node:     Node{Name: name, Process: fmt.Sprint(name, "-", processes)},
		Interval: interval,
		Bot:      bot,
		Logger:   zap.New(core),
		Emit: func(event string, _ map[string]any) {
			mu.Lock()
			defer mu.Unlock()
			*n.events = append(*n.events, event)
		},
		Observe: func(Status) {},
	})
	bot.Lead(n.Registrar)
	ctx, stop := context.WithCancel(context.Background())
	n.stop = stop
	t.Cleanup(stop)
	go n.Run(ctx)
	return n
}

func (n *node) want(t *testing.T, state State) {
	t.Helper()
	if got := n.Status(); got.State != state {
		t.Errorf("%s is %s (%s), want %s", n.Node.Process, got.State, got.Detail, state)
	}
}

// settle lets everything that is under way come to rest.
func settle(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}
