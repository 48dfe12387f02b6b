package registrar

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/caddyserver/certmagic"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/caddy-telegram/telegramwebhook/internal/botapi"
	"github.com/caddy-telegram/telegramwebhook/internal/registry"
)

// memory is a storage for tests under a fake clock.
type memory struct {
	certmagic.Storage
	mu    sync.Mutex
	items map[string][]byte
	locks map[string]chan struct{}

	fail   error // every operation fails with it
	full   bool  // nothing can be written
	panics bool  // nothing can be read
}

func newMemory() *memory {
	return &memory{items: make(map[string][]byte), locks: make(map[string]chan struct{})}
}

func (m *memory) Load(_ context.Context, key string) ([]byte, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.panics {
		panic("a storage with " + wanted.Secret)
	}
	if m.fail != nil {
		return nil, m.fail
	}
	content, ok := m.items[key]
	if !ok {
		return nil, fs.ErrNotExist
	}
	return content, nil
}

func (m *memory) Store(ctx context.Context, key string, value []byte) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := ctx.Err(); err != nil {
		return err
	}
	if m.full {
		return errors.New("no space left")
	}
	if m.fail == nil {
		m.items[key] = value
	}
	return m.fail
}

func (m *memory) Lock(ctx context.Context, name string) error {
	m.mu.Lock()
	lock, ok := m.locks[name]
	if !ok {
		lock = make(chan struct{}, 1)
		m.locks[name] = lock
	}
	m.mu.Unlock()
	select {
	case lock <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (m *memory) Unlock(ctx context.Context, name string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := ctx.Err(); err != nil {
		return err
	}
	<-m.locks[name]
	return nil
}

// change is a fault, or its end.
func (m *memory) change(f func()) {
	m.mu.Lock()
	defer m.mu.Unlock()
	f()
}

// telegram is what Telegram has, and does.
type telegram struct {
	mu    sync.Mutex
	has   botapi.Webhook
	info  botapi.WebhookInfo
	sets  []botapi.Webhook
	asked int
	fail  func() error  // what every call fails with, if it does
	slow  time.Duration // what setWebhook takes
}

func (a *telegram) SetWebhook(ctx context.Context, w botapi.Webhook) error {
	a.mu.Lock()
	a.sets = append(a.sets, w)
	slow := a.slow
	a.mu.Unlock()
	select {
	case <-time.After(slow):
	case <-ctx.Done():
		return ctx.Err()
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if err := a.failure(); err != nil {
		return err
	}
	a.has = w
	a.info.URL, a.info.MaxConnections, a.info.HasCustomCertificate = w.URL, w.MaxConnections, len(w.Certificate) > 0
	a.info.AllowedUpdates, a.info.IPAddress = w.AllowedUpdates, w.IPAddress
	return nil
}

func (a *telegram) GetWebhookInfo(context.Context) (botapi.WebhookInfo, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.asked++
	return a.info, a.failure()
}

func (a *telegram) DeleteWebhook(context.Context, bool) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if err := a.failure(); err != nil {
		return err
	}
	a.has, a.info.URL = botapi.Webhook{}, ""
	return nil
}

func (a *telegram) failure() error {
	if a.fail == nil {
		return nil
	}
	return a.fail()
}

// change is somebody else's doing.
func (a *telegram) change(f func(*telegram)) {
	a.mu.Lock()
	defer a.mu.Unlock()
	f(a)
}

func (a *telegram) calls() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return len(a.sets)
}

func (a *telegram) comparisons() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.asked
}

func (a *telegram) registered() botapi.Webhook {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.has
}

func (a *telegram) history() []botapi.Webhook {
	a.mu.Lock()
	defer a.mu.Unlock()
	return slices.Clone(a.sets)
}

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

func (g given) Advance(context.Context) (string, time.Duration, error) {
	return g.n.wants.Load().Secret, 0, nil
}

func (given) Registered(context.Context, string, error) (bool, error) { return false, nil }

// told counts the entries of that message in the log.
func (n *node) told(message string) int { return n.logs.FilterMessage(message).Len() }

var wanted = botapi.Webhook{URL: "https://bot.example.com/", Secret: "a_secret", MaxConnections: 40}

const interval = 5 * time.Minute

var bots, processes int

// run starts a registrar of a node of its own for what is wanted.
func run(t *testing.T, name string, api API, storage certmagic.Storage, want botapi.Webhook) *node {
	t.Helper()
	bots++
	bot, release, err := registry.Claim(fmt.Sprint("bot ", bots), bots, name)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(release)
	return runFor(t, name, bot, api, storage, want)
}

// runFor starts a registrar in the process that bot stands for.
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
		Prefix:   "telegram_webhook/1",
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
	go n.Run(ctx)
	return n
}

func (n *node) want(t *testing.T, state State) {
	t.Helper()
	if got := n.Status(); got.State != state {
		t.Errorf("%s is %s (%s), want %s", n.Node.Process, got.State, got.Detail, state)
	}
}

func wantCalls(t *testing.T, api *telegram, n int, when string) {
	t.Helper()
	if got := api.calls(); got != n {
		t.Errorf("%s: %d calls of setWebhook, want %d", when, got, n)
	}
}
