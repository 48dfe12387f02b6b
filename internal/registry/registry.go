// Package registry is the only state that outlives a configuration: what the
// webhooks of one bot in this process have in common.
//
//   - registry.go: the bots
//   - holdings.go: what a handler has taken, and gives back
//   - updates.go: what is known of their updates
package registry

import (
	"sync"

	"github.com/caddyserver/caddy/v2"

	"github.com/caddy-telegram/telegramwebhook/internal/deliver"
	"github.com/caddy-telegram/telegramwebhook/internal/registrar"
	"github.com/caddy-telegram/telegramwebhook/internal/secret"
)

// Bot is shared by all configurations that serve the same bot: the running one,
// and for a moment the one that replaces it.
type Bot struct {
	// Secrets is what this process knows of the bot's kept secrets.
	Secrets secret.Memory

	// Updates is what this process knows of the bot's updates.
	Updates deliver.Table

	// Leadership is which configuration's registrar works for the bot.
	Leadership registrar.Leadership

	mu     sync.Mutex
	claims map[any]string // who has claimed it, by configuration
}

var bots = caddy.NewUsagePool()

// Claimed is the error for a bot, or a url, that is served twice in one
// configuration.
type Claimed struct {
	By string // who has it
}

func (c *Claimed) Error() string {
	return "is that of another telegram_webhook in this configuration (" + c.By + "); a bot has one webhook, and a webhook one bot"
}

// Claim takes the bot, or the url, of that key for who in a configuration, and
// returns what gives it back.
func Claim(key string, config any, who string) (*Bot, func(), error) {
	value, _, err := bots.LoadOrNew(key, func() (caddy.Destructor, error) {
		return &Bot{claims: make(map[any]string)}, nil
	})
	if err != nil {
		return nil, nil, err
	}
	b := value.(*Bot)
	b.mu.Lock()
	defer b.mu.Unlock()
	if by, ok := b.claims[config]; ok {
		_, _ = bots.Delete(key)
		return nil, nil, &Claimed{by}
	}
	b.claims[config] = who
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
