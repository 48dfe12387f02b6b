package registry

import (
	"errors"
	"fmt"
	"regexp"
)

var validName = regexp.MustCompile(`^[A-Za-z0-9._-]{1,64}$`)

// Holdings is what a handler has taken for its configuration.
type Holdings struct {
	config  any
	release []func()
}

// NewHoldings is nothing yet, for that configuration.
func NewHoldings(config any) *Holdings { return &Holdings{config: config} }

// Hold has something given back with all the rest.
func (h *Holdings) Hold(release ...func()) { h.release = append(h.release, release...) }

// Claim takes the bot, or the url, of that key for who.
func (h *Holdings) Claim(key, who string) (*Bot, error) {
	bot, release, err := Claim(key, h.config, who)
	if err == nil {
		h.Hold(release)
	}
	return bot, err
}

// ClaimName takes a webhook's name, which no two of a configuration may have. An
// empty one is nobody's.
func (h *Holdings) ClaimName(name string) error {
	if name == "" {
		return nil
	}
	if _, err := h.Claim("name "+name, name); err != nil {
		return fmt.Errorf("%q is that of another telegram_webhook in this configuration; give each a name of its own", name)
	}
	return nil
}

// ClaimAddress takes a webhook's address, in its canonical form, which no two bots
// may have.
func (h *Holdings) ClaimAddress(address, canonical, botID, who string) error {
	_, err := h.Claim(canonical, who)
	if claimed, ok := errors.AsType[*Claimed](err); ok {
		return fmt.Errorf("url: %s is that of another telegram_webhook in this configuration already (%s); give bot %s a site or a path of its own",
			address, claimed.By, botID)
	}
	return err
}

// Add makes the webhook known to its operator.
func (h *Holdings) Add(w Live) { h.Hold(Add(h.config, w)) }

// Release gives everything back. A handler that was never provisioned has none.
func (h *Holdings) Release() {
	if h == nil {
		return
	}
	for _, release := range h.release {
		release()
	}
}

// CheckName checks a configured name; empty is the default.
func CheckName(name string) error {
	if name == "" || validName.MatchString(name) {
		return nil
	}
	return fmt.Errorf("%q is not 1 to 64 characters of A-Z a-z 0-9 . _ -", name)
}
