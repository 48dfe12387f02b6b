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
	"github.com/caddy-telegram/telegramwebhook/internal/secret"
	"github.com/caddy-telegram/telegramwebhook/internal/storage"
	"github.com/caddy-telegram/telegramwebhook/internal/storagetest"
)

// node is a registrar of a node, with what it logs and emits.
type node struct {
	*Registrar
	*hook
	api  *server
	logs *observer.ObservedLogs
}

// hook is the webhook of a node.
type hook struct {
	wanted atomic.Pointer[botapi.Webhook]
	emit   func(event string) // called besides, if it is not nil

	mu     sync.Mutex
	events []string
}

func (h *hook) Wanted() (botapi.Webhook, error) {
	return *h.wanted.Load(), h.wanted.Load().Check(false)
}

func (*hook) Observe(Status) {}

func (h *hook) Emit(event string, _ map[string]any) {
	h.mu.Lock()
	h.events = append(h.events, event)
	h.mu.Unlock()
	if h.emit != nil {
		h.emit(event)
	}
}

// emitted returns the events so far.
func (h *hook) emitted() string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return fmt.Sprint(h.events)
}

// logged counts the entries of that message in the log.
func (n *node) logged(message string) int { return n.logs.FilterMessage(message).Len() }

var (
	wanted = botapi.Webhook{URL: "https://bot.example.com/", Secret: "a_secret_0123456789", MaxConnections: 40}
	newer  = botapi.Webhook{URL: "https://bot.example.com/new", Secret: "a_secret_0123456789", MaxConnections: 40}
)

const interval = 5 * time.Minute

const (
	botKey    = "telegram_webhook/1"
	recordKey = botKey + "/registration.json"
)

var processes atomic.Int64

// begun lets a registrar begin at once.
var begun = make(chan struct{})

func init() { close(begun) }

// config is what a registrar of a process of its own works with.
func config(t *testing.T, name string, api *server, module certmagic.Storage, want botapi.Webhook) Config {
	t.Helper()
	secrets, err := secret.NewConfigured("secret", []string{want.Secret}, zap.NewNop())
	if err != nil {
		t.Fatal(err)
	}
	return Config{
		Secrets:  secrets,
		API:      api.client(t, token),
		Storage:  &storage.Storage{Module: module, Health: new(storage.Health), Logger: zap.NewNop()},
		Prefix:   botKey,
		MACKey:   []byte("token"),
		Node:     Node{Name: name, Process: fmt.Sprint(name, "-", processes.Add(1))},
		Interval: interval,
		Begin:    begun,
		Memory:   new(Memory),
		Logger:   zap.NewNop(),
	}
}

// run starts a registrar of a process of its own for what is wanted.
func run(t *testing.T, name string, api *server, storage certmagic.Storage, want botapi.Webhook) *node {
	t.Helper()
	return start(t, config(t, name, api, storage, want), api, want)
}

// start starts a registrar. It stops with the test, if not before.
func start(t *testing.T, config Config, api *server, want botapi.Webhook) *node {
	t.Helper()
	core, logs := observer.New(zap.InfoLevel)
	config.Logger = zap.New(core)
	config.Storage.Logger = config.Logger
	n := &node{hook: new(hook), api: api, logs: logs}
	n.wanted.Store(&want)
	n.Registrar = Start(config, n.hook)
	t.Cleanup(func() { n.Stop(); n.Wait(context.Background()) })
	return n
}

// alone is a node on a storage of its own that has registered its bot and has
// been at work for so long.
func alone(t *testing.T, since time.Duration) (*server, *node) {
	t.Helper()
	api := newTelegram(t)
	n := run(t, "a", api, storagetest.NewMemory(), wanted)
	settle(since)
	return api, n
}

// beside runs a node with the same Telegram and storage.
func (n *node) beside(t *testing.T, name string, want botapi.Webhook) *node {
	t.Helper()
	other := run(t, name, n.api, n.Storage.Module, want)
	settle(time.Second)
	return other
}

// again stops a node and starts it, as a restart does.
func (n *node) again(t *testing.T, want botapi.Webhook) *node {
	t.Helper()
	n.Stop()
	return n.beside(t, n.Node.Name, want)
}

// fleet starts three nodes on one storage at once.
func fleet(t *testing.T) (api *server, nodes []*node) {
	t.Helper()
	api, storage := newTelegram(t), storagetest.NewMemory()
	for _, name := range []string{"a", "b", "c"} {
		nodes = append(nodes, run(t, name, api, storage, wanted))
	}
	settle(time.Second)
	return api, nodes
}

func (n *node) want(t *testing.T, state string) {
	t.Helper()
	if got := n.Status(); got.State != state {
		t.Errorf("%s is %s (%s), want %s", n.Node.Process, got.State, got.Detail, state)
	}
}

// wake begins an attempt at once, unless the registrar waits after an error.
func (n *node) wake() {
	select {
	case n.wakeup <- struct{}{}:
	default:
	}
}

// settle lets everything that is under way come to rest.
func settle(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}
