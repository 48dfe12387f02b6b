package app

import (
	"fmt"
	"regexp"
	"sync"

	"github.com/caddy-telegram/telegramwebhook/internal/site"
	"github.com/caddy-telegram/telegramwebhook/internal/status"
	"github.com/caddy-telegram/telegramwebhook/internal/telegram"
)

// claims records which webhook of a configuration has a name, a bot or an address.
type claims struct{ holders sync.Map }

// claim records a claim, and returns the webhook that has made it before, if there is one.
func (c *claims) claim(what string, w *Webhook) (other *Webhook) {
	holder, _ := c.holders.LoadOrStore(what, w)
	if holder == w {
		return nil
	}
	return holder.(*Webhook)
}

// claimName gives a webhook its name.
func (c *claims) claimName(name string, w *Webhook) error {
	if c.claim("name "+name, w) != nil {
		return fmt.Errorf("name: %q is that of another telegram_webhook in this configuration; give each a name of its own", name)
	}
	return nil
}

// claimBot gives a webhook its bot.
func (c *claims) claimBot(w *Webhook) error {
	if other := c.claim("bot "+w.settings.Registration.Account.Key(), w); other != nil {
		return fmt.Errorf("bot_token: is that of another telegram_webhook in this configuration (%s); a bot has one webhook, and a webhook one bot", other)
	}
	return nil
}

// claimAddress gives a webhook its address.
func (c *claims) claimAddress(address string, w *Webhook) error {
	if other := c.claim("address "+site.Canonical(address), w); other != nil {
		return fmt.Errorf("url: %s is that of another telegram_webhook in this configuration already (%s); give bot %s a site or a path of its own",
			address, other, w.BotID())
	}
	return nil
}

var validName = regexp.MustCompile(`^[A-Za-z0-9._-]{1,64}$`)

// CheckName checks a configured name; empty is the default.
func CheckName(name string) error {
	switch {
	case name == status.ReadyName:
		return fmt.Errorf("%q is not a name for a webhook; the admin API has that of all there", name)
	case name == "" || validName.MatchString(name):
		return nil
	}
	return fmt.Errorf("%s is not 1 to 64 characters of A-Z a-z 0-9 . _ -", telegram.Quote(name))
}
