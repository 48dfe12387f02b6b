package app

import (
	"fmt"
	"regexp"
	"sync"

	"github.com/caddy-telegram/telegramwebhook/internal/site"
	"github.com/caddy-telegram/telegramwebhook/internal/telegram"
)

// claims says which webhook of a configuration has what no other may have.
type claims struct {
	mu        *sync.Mutex // a first update may come while the webhooks start
	names     map[string]*Webhook
	bots      map[string]*Webhook // by the key of the account
	addresses map[string]*Webhook // in their canonical form
}

func newClaims() claims {
	return claims{new(sync.Mutex), make(map[string]*Webhook), make(map[string]*Webhook), make(map[string]*Webhook)}
}

// claimName gives a webhook its name.
func (c claims) claimName(name string, w *Webhook) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if other, taken := c.names[name]; taken && other != w {
		return fmt.Errorf("name: %q is that of another telegram_webhook in this configuration; give each a name of its own", name)
	}
	c.names[name] = w
	return nil
}

// claimBot gives a webhook its bot.
func (c claims) claimBot(w *Webhook) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	key := w.settings.Registration.Account.Key()
	if other, taken := c.bots[key]; taken {
		return fmt.Errorf("bot_token: is that of another telegram_webhook in this configuration (%s); a bot has one webhook, and a webhook one bot", other)
	}
	c.bots[key] = w
	return nil
}

// claimAddress gives a webhook its address.
func (c claims) claimAddress(address string, w *Webhook) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	key := site.Canonical(address)
	if other, taken := c.addresses[key]; taken && other != w {
		return fmt.Errorf("url: %s is that of another telegram_webhook in this configuration already (%s); give bot %s a site or a path of its own",
			address, other, w.BotID())
	}
	c.addresses[key] = w
	return nil
}

var validName = regexp.MustCompile(`^[A-Za-z0-9._-]{1,64}$`)

// CheckName checks a configured name; empty is the default.
func CheckName(name string) error {
	if name == "" || validName.MatchString(name) {
		return nil
	}
	return fmt.Errorf("%s is not 1 to 64 characters of A-Z a-z 0-9 . _ -", telegram.Quote(name))
}
