// Package registry is the only state that outlives a configuration: what the
// webhooks of one bot in this process have in common.
package registry

import (
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/caddyserver/caddy/v2"
)

// Bot is shared by all configurations that serve the same bot: the running one,
// and for a moment the one that replaces it.
type Bot struct {
	current atomic.Pointer[any]

	mu      sync.Mutex
	claims  map[any]bool
	repairs []time.Time
}

var bots = caddy.NewUsagePool()

// ErrClaimed is a bot, or a url, that is served twice in one configuration.
var ErrClaimed = errors.New("is that of another telegram_webhook in this configuration; a bot has one webhook, and a webhook one bot")

// Claim takes the bot, or the url, of that key for a configuration, and returns
// what gives it back.
func Claim(key string, config any) (*Bot, func(), error) {
	value, _, err := bots.LoadOrNew(key, func() (caddy.Destructor, error) {
		return &Bot{claims: make(map[any]bool)}, nil
	})
	if err != nil {
		return nil, nil, err
	}
	b := value.(*Bot)
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.claims[config] {
		_, _ = bots.Delete(key)
		return nil, nil, ErrClaimed
	}
	b.claims[config] = true
	release := sync.OnceFunc(func() {
		b.mu.Lock()
		delete(b.claims, config)
		b.mu.Unlock()
		_, _ = bots.Delete(key)
	})
	return b, release, nil
}

// Destruct satisfies caddy.Destructor.
func (b *Bot) Destruct() error { return nil }

// Lead makes who the one that speaks for the bot: an older configuration's
// registrar falls silent at once, even before it is stopped.
func (b *Bot) Lead(who any) { b.current.Store(&who) }

// Leads reports whether who speaks for the bot.
func (b *Bot) Leads(who any) bool {
	current := b.current.Load()
	return current != nil && *current == who
}

// A bot whose webhook is taken over again and again is contested: somebody else
// registers it too, and repairing it is a fight that loses updates.
const (
	maxRepairs   = 3
	repairWindow = 10 * time.Minute
)

// Repair reports whether the registration may be repaired now, and counts it.
func (b *Bot) Repair() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	recent := b.repairs[:0]
	for _, at := range b.repairs {
		if time.Since(at) < repairWindow {
			recent = append(recent, at)
		}
	}
	b.repairs = recent
	if len(recent) >= maxRepairs {
		return false
	}
	b.repairs = append(b.repairs, time.Now())
	return true
}
