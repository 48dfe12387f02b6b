package telegramwebhook

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/caddyserver/caddy/v2"
	"go.uber.org/zap"

	"github.com/caddy-telegram/telegramwebhook/internal/app"
	"github.com/caddy-telegram/telegramwebhook/internal/args"
	"github.com/caddy-telegram/telegramwebhook/internal/botapi"
	"github.com/caddy-telegram/telegramwebhook/internal/certificate"
	"github.com/caddy-telegram/telegramwebhook/internal/secret"
	"github.com/caddy-telegram/telegramwebhook/internal/site"
	"github.com/caddy-telegram/telegramwebhook/internal/telegram"
)

// Registration is the registration of the webhook with Telegram. With a bot token, the module registers the webhook in
// the background, once the whole configuration runs. It registers the webhook again when somebody else changes it, and
// when a refused request from Telegram's own addresses suggests that Telegram has another secret. A reload or restart
// without a change calls nothing. The module never drops pending updates, and never deletes the webhook by itself. url,
// certificate, ip_address and api may hold placeholders, which are read once, when the configuration loads.
type Registration struct {
	// The bot's token, from @BotFather. May hold placeholders, as secret does, and should: a token that is written out
	// loads with a warning. Default: none, the webhook is registered by other means.
	BotToken string `json:"bot_token,omitempty"`

	// Fetch the updates with getUpdates instead of registering a webhook: no public address and no trusted certificate
	// are needed. The module hands the updates to this site as Telegram would send them, so the bot stays in webhook
	// mode. Every request from outside gets 403. The options of the secret and of the webhook stay valid, and have no
	// effect meanwhile. Default: false.
	Poll bool `json:"poll,omitempty"`

	// The webhook's public address, or its path alone. Telegram takes https on port 443, 80, 88 or 8443. Default: this
	// site's host, port and path, in small letters; a site that has none, several, or patterns needs it set. The same
	// address for two bots is an error.
	URL string `json:"url,omitempty"`

	// A PEM file with the certificate to upload, its public part only: the self-signed one that the site serves, or the
	// private root that signs it; both the old and the new one while they differ. "internal" uploads the root of
	// Caddy's own CA, unless the host is an IP address. It replaces Telegram's trust store for this webhook, so upload
	// none for a publicly trusted certificate. The module does not upload a certificate that does not fit. For
	// development. Default: none.
	Certificate string `json:"certificate,omitempty"`

	// The types of update that Telegram sends. Telegram ignores unknown types. Default: Telegram's default, all but chat_member, message_reaction
	// and message_reaction_count.
	AllowedUpdates []string `json:"allowed_updates,omitempty"`

	// How many connections Telegram may open at once, 1 to 100. Default: 40.
	MaxConnections int `json:"max_connections,omitempty"`

	// The IPv4 address to which Telegram sends, instead of asking DNS. Default: none.
	IPAddress string `json:"ip_address,omitempty"`

	// The Bot API server. With a local one, http addresses, any port and any
	// address may be registered. Default: https://api.telegram.org.
	API string `json:"api,omitempty"`

	// Use Telegram's test environment. Default: false.
	APITest bool `json:"api_test,omitempty"`

	// How often to compare with what Telegram has, and repair it; "off" or negative for never. One of the nodes that
	// share Caddy's storage does it for all. Default: 5m.
	Check args.Duration `json:"check,omitempty"`
}

const (
	defaultCheck = 5 * time.Minute
	minCheck     = 10 * time.Second
)

// resolve returns the registration with its placeholders replaced. The token's are replaced where it is parsed.
func (g Registration) resolve() (Registration, error) {
	for _, field := range []struct {
		name  string
		value *string
	}{{"url", &g.URL}, {"certificate", &g.Certificate}, {"ip_address", &g.IPAddress}, {"api", &g.API}} {
		value, err := secret.Replace(*field.value)
		if err != nil {
			return g, fmt.Errorf("%s: %w", field.name, err)
		}
		*field.value = value
	}
	return g, nil
}

// check checks the registration so far as it has no placeholders. With local, the looser
// rules of a local Bot API server hold.
func (g Registration) check(local bool) error {
	if g.Check > 0 && time.Duration(g.Check) < minCheck {
		return fmt.Errorf("check: %s is less than %s", time.Duration(g.Check), minCheck)
	}
	w := botapi.Webhook{AllowedUpdates: g.AllowedUpdates, MaxConnections: cmp.Or(g.MaxConnections, telegram.DefaultMaxConnections)}
	if secret.Literal(g.IPAddress) {
		w.IPAddress = g.IPAddress
	}
	if secret.Literal(g.URL+g.IPAddress) && site.IsAddress(g.URL) { // with an IPv4 address the host need not be public
		w.URL = g.URL
	}
	return w.Check(local)
}

// provisionRegistration checks the registration. The address, if it depends on the webhook's place, and the
// certificate, which has to fit the site's, are checked when the whole configuration runs.
func (h *Handler) provisionRegistration(settings *app.Settings) error {
	if given, err := json.Marshal(h.Registration); err != nil || string(given) == "{}" {
		return err
	}
	if h.BotToken == "" {
		return errors.New("bot_token: is missing, and poll, url, certificate, allowed_updates, max_connections, ip_address, api, api_test and check mean nothing without it")
	}
	g, err := h.Registration.resolve()
	if err != nil {
		return err
	}
	token, err := secret.Resolve(g.BotToken, botapi.CheckToken)
	if err != nil {
		return fmt.Errorf("bot_token: %w", err)
	}
	account, err := botapi.NewAccount(token, g.API, g.APITest)
	if err != nil {
		return err
	}
	if err := g.check(account.Local()); err != nil {
		return err
	}
	registration := &app.Registration{
		Account:     account,
		URL:         g.URL,
		Certificate: g.Certificate,
		Poll:        g.Poll,
		Parameters: botapi.Webhook{
			AllowedUpdates: g.AllowedUpdates,
			MaxConnections: cmp.Or(g.MaxConnections, telegram.DefaultMaxConnections),
			IPAddress:      g.IPAddress,
		},
		Check: max(0, cmp.Or(time.Duration(g.Check), defaultCheck)),
	}
	if configured, ok := settings.Secrets.(*secret.Configured); ok {
		registration.Parameters.Secret = configured.Current()
	}
	var upload []byte
	if g.Certificate != certificate.Internal && !g.Poll { // the file may be on the server alone
		if upload, err = certificate.Load(caddy.Context{}, g.Certificate); err != nil {
			return fmt.Errorf("certificate: %w", err)
		}
	}
	for _, configured := range slices.Concat(h.Secret, h.Accept) {
		if value, err := secret.Replace(configured); err == nil && strings.Contains(g.URL, value) {
			return errors.New("url: holds the secret, which would be in every log; the header does its work, so take any other path")
		}
	}
	settings.Registration = registration
	_, err = registration.Webhook(g.URL, upload)
	return err
}

// provisionSecrets takes the secrets of the configuration. Without secrets, the webhook has a
// kept one, which needs a bot token.
func (h *Handler) provisionSecrets(settings *app.Settings) (err error) {
	if len(h.Secret) == 0 {
		if h.BotToken == "" {
			return fmt.Errorf("secret: %w", secret.ErrMissing)
		}
		if settings.Rotate, settings.Grace, err = secret.Rotation(time.Duration(h.Rotate), time.Duration(h.RotateGrace)); err != nil {
			return fmt.Errorf("rotate: %w", err)
		}
		if len(h.Accept) > 0 {
			if settings.Accept, err = secret.NewConfigured("accept", h.Accept, h.logger); err != nil {
				return fmt.Errorf("accept: %w", err)
			}
		}
		return nil
	}
	if h.Rotate != 0 || h.RotateGrace != 0 {
		return errors.New("secret: is given, and rotate is for a kept secret; take one of the two out")
	}
	if len(h.Accept) > 0 {
		return errors.New("accept: is for a kept secret, and secret is given; write them all as secret, the one to register first")
	}
	if settings.Secrets, err = secret.NewConfigured("secret", h.Secret, h.logger); err != nil {
		return fmt.Errorf("secret: %w", err)
	}
	return nil
}

func (h *Handler) provisionForward(settings *app.Settings) error {
	if h.ForwardSecret == nil || *h.ForwardSecret == "" && !h.Poll {
		return nil
	}
	value, err := secret.ResolveForwarded(*h.ForwardSecret, settings.Secrets)
	if err != nil {
		return fmt.Errorf("forward_secret: %w", err)
	}
	h.forward = []string{value}
	return nil
}

// warnOfUpdateTypes warns of types that Telegram may ignore.
func (h *Handler) warnOfUpdateTypes() {
	for _, name := range h.AllowedUpdates {
		if !telegram.IsKnownType(name) {
			h.logger.Warn("unknown update type", zap.String("type", telegram.Quote(name)),
				zap.String("remedy", "Telegram ignores types that it does not know; see whether allowed_updates has a typing error, or the type is new"))
		}
	}
}
