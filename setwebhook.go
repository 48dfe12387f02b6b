package telegramwebhook

import (
	"cmp"
	"errors"
	"fmt"
	"reflect"
	"sync/atomic"
	"time"

	"github.com/caddyserver/caddy/v2"
	"go.uber.org/zap"

	"github.com/caddy-telegram/telegramwebhook/internal/botapi"
	"github.com/caddy-telegram/telegramwebhook/internal/certificate"
	"github.com/caddy-telegram/telegramwebhook/internal/metrics"
	"github.com/caddy-telegram/telegramwebhook/internal/registrar"
	"github.com/caddy-telegram/telegramwebhook/internal/registry"
	"github.com/caddy-telegram/telegramwebhook/internal/secret"
	"github.com/caddy-telegram/telegramwebhook/internal/site"
)

// Registration is what Telegram is told about the webhook. With a bot token the
// webhook is registered once the whole configuration runs, in the background,
// and registered again when somebody else changes it, and when a refused request
// from Telegram's own addresses suggests that the secret is out of step. A reload
// or restart that changes nothing calls nothing. Pending updates are never dropped,
// and the webhook is never deleted. url, certificate, ip_address and api may hold
// placeholders, which are read once, when the configuration loads.
type Registration struct {
	// The bot's token, from @BotFather. May hold placeholders, as secret does,
	// and should: a token that is written out loads with a warning. Default:
	// none, the webhook is registered by other means.
	BotToken string `json:"bot_token,omitempty"`

	// The webhook's public address, or its path alone. Telegram takes https on
	// port 443, 80, 88 or 8443. Default: this site's host, port and path, in small
	// letters; a site that has none, several, or patterns needs it set. The same
	// address for two bots is an error.
	URL string `json:"url,omitempty"`

	// A PEM file with the certificate to upload, its public part only: a
	// self-signed one, or a private root. "internal" uploads the root of Caddy's
	// own CA. It replaces Telegram's trust store for this webhook, so upload
	// none for a publicly trusted certificate. For development. Default: none.
	Certificate string `json:"certificate,omitempty"`

	// The types of update that Telegram sends; a type that it does not know it
	// ignores. Default: Telegram's default, all but chat_member, message_reaction
	// and message_reaction_count.
	AllowedUpdates []string `json:"allowed_updates,omitempty"`

	// How many connections Telegram may open at once, 1 to 100. Default: 40.
	MaxConnections int `json:"max_connections,omitempty"`

	// The IPv4 address to which Telegram sends, instead of asking DNS.
	// Default: none.
	IPAddress string `json:"ip_address,omitempty"`

	// The Bot API server. With a local one, http addresses, any port and any
	// address may be registered. Default: https://api.telegram.org.
	API string `json:"api,omitempty"`

	// Use Telegram's test environment. Default: false.
	APITest bool `json:"api_test,omitempty"`

	// How often to compare with what Telegram has, and repair it; negative for
	// never. One of the nodes that share Caddy's storage does it for all.
	// Default: 5m.
	Check caddy.Duration `json:"check,omitempty"`
}

const (
	defaultCheck = 5 * time.Minute
	minCheck     = 10 * time.Second
)

// registering is what a handler with a bot token holds while it runs.
type registering struct {
	Registration // with its placeholders replaced

	*botapi.Account
	bot *registry.Bot

	// What follows is known once the configuration runs.
	address string
	fault   error // why there is no address
	running atomic.Pointer[registrar.Registrar]
	watch   certificate.Watch
}

// redact takes bot tokens out of a path: some set-ups have one there for want of a
// secret.
func (g *registering) redact(path string) string {
	path = botapi.HideTokens(path)
	if g == nil {
		return path
	}
	return g.Redact(path)
}

// resolve returns the registration with its placeholders replaced.
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

// provisionRegistration checks what can be checked before anything runs, takes
// the bot for this configuration, and waits for the configuration to run.
func (h *Handler) provisionRegistration(ctx caddy.Context) error {
	if reflect.DeepEqual(h.Registration, Registration{}) {
		return nil
	}
	if h.BotToken == "" {
		return errors.New("bot_token: is missing, and url, certificate, allowed_updates, max_connections, ip_address, api, api_test and check mean nothing without it")
	}
	resolved, err := h.Registration.resolve()
	if err != nil {
		return err
	}
	account, err := botapi.NewAccount(h.BotToken, resolved.API, resolved.APITest)
	if err != nil {
		return err
	}
	h.registering = &registering{Registration: resolved, Account: account}
	if err := h.checkRegistration(ctx); err != nil {
		return err
	}
	if h.registering.bot, err = h.held.Claim(account.Key(), h.who()); err != nil {
		return fmt.Errorf("bot_token: %w", err)
	}
	if site.IsAddress(resolved.URL) {
		if err := h.claimAddress(resolved.URL); err != nil {
			return err
		}
	}
	if err := h.provisionOwnSecrets(ctx); err != nil {
		return fmt.Errorf("rotate: %w", err)
	}
	return nil
}

// provisionOwnSecrets takes the bot's own secrets, if none are configured.
func (h *Handler) provisionOwnSecrets(ctx caddy.Context) error {
	if h.secrets != nil {
		return nil
	}
	every, grace, err := secret.Rotation(time.Duration(h.Rotate), time.Duration(h.RotateGrace))
	if err != nil {
		return err
	}
	g := h.registering
	logger := h.logger.With(zap.String("name", cmp.Or(h.Name, g.ID())))
	h.secrets = secret.NewKept(secret.KeptConfig{
		Storage: ctx.Storage(), Prefix: g.Key(), Memory: &g.bot.Secrets, Every: every, Grace: grace,
		Rotated: h.rotated, Logger: logger,
	})
	return nil
}

// rotated counts what a rotation of the secret came to.
func (h *Handler) rotated(result string) { metrics.Rotated(h.webhook().name, result) }

// who is said to a webhook that wants what this one has.
func (h *Handler) who() string {
	if h.Name == "" {
		return "bot " + h.registering.ID()
	}
	return "bot " + h.registering.ID() + ", " + h.Name
}

func (h *Handler) claimAddress(address string) error {
	return h.held.ClaimAddress(address, site.Canonical(address), h.registering.ID(), h.who())
}

// checkRegistration checks the fields that stand by themselves. What depends on
// where the handler stands is checked once that is known.
func (h *Handler) checkRegistration(ctx caddy.Context) error {
	g := h.registering
	if g.Check > 0 && time.Duration(g.Check) < minCheck {
		return fmt.Errorf("check: %s is less than %s", time.Duration(g.Check), minCheck)
	}
	upload := g.Certificate
	if upload == certificate.Internal {
		upload = "" // the CA is there only once everything runs
	}
	w, err := h.wanted(ctx, g.URL, upload)
	if err != nil {
		return err
	}
	if !site.IsAddress(g.URL) {
		w.URL = "" // not known yet
	}
	return w.Check(g.Local())
}

// startRegistrar takes over from the configuration before, if there is one, and
// starts to work in the background.
func (h *Handler) startRegistrar(ctx caddy.Context) {
	g := h.registering
	if g == nil {
		return
	}
	name := h.webhook().name
	if g.address, g.fault = site.URL(h.server, h.place(), g.URL); g.fault != nil {
		g.fault = fmt.Errorf("url: %w", g.fault)
	} else if !site.IsAddress(g.URL) {
		g.fault = h.claimAddress(g.address)
	}
	if g.fault != nil {
		g.fault = errors.New(g.redact(g.fault.Error())) // the routes may hold a token
	}
	h.held.Hold(metrics.Use(name), metrics.SecretMade(name, func() time.Time { return h.secrets.Status().Made }))
	g.running.Store(registrar.Start(registrar.Config{
		Secrets:    h.secrets,
		API:        botapi.NewClient(g.Account, nil),
		Storage:    ctx.Storage(),
		Prefix:     g.Key(),
		MACKey:     []byte(g.Reveal()),
		Node:       registrar.ThisNode(),
		Interval:   max(0, cmp.Or(time.Duration(g.Check), defaultCheck)),
		Pace:       registrar.PaceOf(g.Account),
		Leadership: &g.bot.Leadership,
		Logger:     h.logger.With(zap.String("name", name)),
	}, webhook{h, ctx}))
}

// webhook is a handler's webhook for its registrar.
type webhook struct {
	*Handler
	ctx caddy.Context
}

// Wanted satisfies registrar.Webhook.
func (w webhook) Wanted() (botapi.Webhook, error) { return w.currentWebhook(w.ctx) }

// Observe satisfies registrar.Webhook.
func (w webhook) Observe(s registrar.Status) { metrics.Observe(w.webhook().name, s) }

// Emit satisfies registrar.Webhook.
func (w webhook) Emit(event string, data map[string]any) {
	data["name"] = w.webhook().name
	w.app.Emit("telegram_webhook_"+event, data)
}

// connections is how many Telegram may open at once.
func (h *Handler) connections() int {
	if h.registering == nil {
		return botapi.MaxConnections // whatever it was told
	}
	return cmp.Or(h.MaxConnections, botapi.DefaultMaxConnections)
}

// at returns the registrar at work; nil before there is one.
func (g *registering) at() *registrar.Registrar {
	if g == nil {
		return nil
	}
	return g.running.Load()
}

// currentWebhook is what Telegram is to have now.
func (h *Handler) currentWebhook(ctx caddy.Context) (botapi.Webhook, error) {
	g := h.registering
	if g.fault != nil {
		return botapi.Webhook{}, g.fault
	}
	w, err := h.wanted(ctx, g.address, g.Certificate)
	if err != nil {
		return botapi.Webhook{}, err
	}
	g.watch.Look(g.address, len(w.Certificate) > 0, h.logger.With(zap.String("name", h.webhook().name)))
	return w, w.Check(g.Local())
}

// wanted is what Telegram is to have, with that address and that certificate.
func (h *Handler) wanted(ctx caddy.Context, address, upload string) (w botapi.Webhook, err error) {
	g := h.registering
	if g.redact(address) != address {
		return w, errors.New("url: holds a bot token, which would be in every log; the secret does its work, so take any other path")
	}
	w = botapi.Webhook{
		URL:            address,
		AllowedUpdates: g.AllowedUpdates,
		MaxConnections: h.connections(),
		IPAddress:      g.IPAddress,
	}
	if h.secrets != nil {
		w.Secret = h.secrets.Configured()
	}
	if w.Certificate, err = certificate.Load(ctx, upload); err != nil {
		return w, fmt.Errorf("certificate: %w", err)
	}
	return w, nil
}
