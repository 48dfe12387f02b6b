package app

import (
	"crypto/rand"
	"crypto/subtle"
	"net/http"
	"sync"
	"time"

	"github.com/caddyserver/caddy/v2"

	"github.com/caddy-telegram/telegramwebhook/internal/deliver"
	"github.com/caddy-telegram/telegramwebhook/internal/listener"
	"github.com/caddy-telegram/telegramwebhook/internal/poll"
	"github.com/caddy-telegram/telegramwebhook/internal/registrar"
	"github.com/caddy-telegram/telegramwebhook/internal/secret"
	"github.com/caddy-telegram/telegramwebhook/internal/status"
	"github.com/caddy-telegram/telegramwebhook/internal/storage"
)

// process is the state that outlives a configuration. Caddy loads a new configuration
// before it stops the old one, and both may use this at the same time.
//
// The counters of package metrics live as long as the process too.
var process = struct {
	// bots has a *bot for each bot that a configuration serves, by the key of its account, or by name and server for a
	// bot without a token. It is kept while a configuration uses it: over reloads, but not after the bot has left.
	bots *caddy.UsagePool

	// pollers has a *poll.Poller for each of these bots, by the same key, and keeps it: a
	// stopped poller may still be ending its last updates when its bot comes back.
	pollers *sync.Map

	// penalties has the addresses that have forged. A reload must not let them in again; a restart does.
	penalties *listener.Penalties

	// underWay has an *atomic.Int64 for each webhook, by name: how many updates its bot works
	// on, whatever configuration they have come to.
	underWay *sync.Map

	// pace bounds how fast new bots are registered. Telegram counts the calls of an
	// address, whatever configuration makes them.
	pace *registrar.Pace

	// storage is the health of Caddy's storage. If another configuration has another storage, both count as one.
	storage *storage.Health

	// audit is the mark of the audits that are under way.
	audit *auditMark
}{caddy.NewUsagePool(), new(sync.Map), listener.NewPenalties(), new(sync.Map), registrar.NewPace(), new(storage.Health), new(auditMark)}

// bot is the state of one bot in this process.
type bot struct {
	secrets      secret.Memory
	registration registrar.Memory
	updates      *deliver.Table // with dedupe
	poller       *poll.Poller   // idle unless updates are fetched
}

// Destruct satisfies caddy.Destructor. No configuration has the bot any more.
func (b *bot) Destruct() error {
	b.poller.Stop()
	return nil
}

// useBot returns the state of the bot with that key. Each call needs a call of releaseBot.
func useBot(key string) *bot {
	value, _, _ := process.bots.LoadOrNew(key, func() (caddy.Destructor, error) {
		poller, _ := process.pollers.LoadOrStore(key, poll.New())
		return &bot{updates: deliver.NewTable(), poller: poller.(*poll.Poller)}, nil
	})
	return value.(*bot)
}

func releaseBot(key string) { _, _ = process.bots.Delete(key) }

// auditMark tells the trials of an audit from a stranger's requests. The admin API alone
// gives it out. It does not last: the audited host, which gets it too, may be the wrong one.
type auditMark struct {
	mu      sync.Mutex
	value   string
	expires time.Time
}

// auditTime is more than an audit takes.
const auditTime = 5 * time.Minute

// current returns the mark for an audit that begins.
func (m *auditMark) current() string {
	m.mu.Lock()
	defer m.mu.Unlock()
	now := time.Now()
	if now.After(m.expires) {
		m.value = rand.Text()
	}
	m.expires = now.Add(auditTime)
	return m.value
}

// IsAudit reports whether a request has the mark.
func IsAudit(r *http.Request) bool {
	sent := r.Header[status.AuditHeader]
	if len(sent) != 1 {
		return false
	}
	m := process.audit
	m.mu.Lock()
	defer m.mu.Unlock()
	return time.Now().Before(m.expires) && subtle.ConstantTimeCompare([]byte(sent[0]), []byte(m.value)) == 1
}
