package telegramwebhook

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/url"
	"reflect"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyevents"
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
// and kept registered: when somebody else changes it, and when a refused request
// from Telegram's own addresses shows that the secret is out of step. A reload or
// restart that changes nothing calls nothing. Pending updates are never dropped,
// and the webhook is never deleted.
type Registration struct {
	// The bot's token, from @BotFather. May hold placeholders, as secret does,
	// and should: a token that is written out loads with a warning. Default:
	// none, the webhook is registered by other means.
	BotToken string `json:"bot_token,omitempty"`

	// The webhook's public address, or its path alone. Telegram takes https on
	// port 443, 80, 88 or 8443. Default: this site's host, port and path; a site
	// that has none, several, or patterns needs it set.
	URL string `json:"url,omitempty"`

	// A PEM file with the certificate to upload, its public part only: a
	// self-signed one, or a private root. "internal" uploads the root of Caddy's
	// own CA. It replaces Telegram's trust store for this webhook, so upload
	// none for a publicly trusted certificate. For development. Default: none.
	Certificate string `json:"certificate,omitempty"`

	// The types of update that Telegram sends. Default: Telegram's default, all
	// but chat_member, message_reaction and message_reaction_count.
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
	defaultCheck          = 5 * time.Minute
	minCheck              = 10 * time.Second
	defaultMaxConnections = 40
)

// registering is what a handler with a bot token holds while it runs.
type registering struct {
	token   botapi.Token
	raw     []byte // keys the fingerprint
	bot     *registry.Bot
	release []func()                          // give back the bot and its url
	running atomic.Pointer[registrar.Running] // nil until the configuration runs
	warned  string                            // the last warning about the certificate
}

// id is the bot's id, which is no secret.
func (g *registering) id() string { return strconv.FormatInt(g.token.BotID(), 10) }

// local reports whether the Bot API server is one's own, with looser rules.
func (g *Registration) local() bool { return g.API != "" && g.API != botapi.DefaultAPI }

// provisionRegistration checks what can be checked before anything runs, takes
// the bot for this configuration, and waits for the configuration to run.
func (h *Handler) provisionRegistration(ctx caddy.Context) error {
	if reflect.DeepEqual(h.Registration, Registration{}) {
		return nil
	}
	if h.BotToken == "" {
		return errors.New("bot_token: is missing, and url, certificate, allowed_updates, max_connections, ip_address, api, api_test and check mean nothing without it")
	}
	raw, err := secret.Replace(h.BotToken)
	if err != nil {
		return h.fieldError("bot_token", err)
	}
	token, err := botapi.ParseToken(raw)
	if err != nil {
		return h.fieldError("bot_token", secret.About(h.BotToken, err))
	}
	h.registering = &registering{token: token, raw: []byte(raw)}
	if err := h.checkRegistration(ctx); err != nil {
		return err
	}
	config := ctx.Modules()[0] // the app, of which every configuration has its own
	bot, release, err := registry.Claim(h.botKey(), config)
	if err != nil {
		return h.fieldError("bot_token", err)
	}
	h.registering.bot, h.registering.release = bot, []func(){release}
	if strings.Contains(h.URL, "://") {
		_, release, err := registry.Claim(h.URL, config)
		if err != nil {
			return fmt.Errorf("url: %w", err)
		}
		h.registering.release = append(h.registering.release, release)
	}
	return h.subscribe(ctx)
}

// checkRegistration checks the fields that stand by themselves. What depends on
// where the handler stands is checked once that is known.
func (h *Handler) checkRegistration(ctx caddy.Context) error {
	if err := botapi.CheckAPI(cmp.Or(h.API, botapi.DefaultAPI)); err != nil {
		return fmt.Errorf("api: %w", err)
	}
	if h.Check > 0 && time.Duration(h.Check) < minCheck {
		return fmt.Errorf("check: %s is less than %s", time.Duration(h.Check), minCheck)
	}
	if h.URL == "" || strings.HasPrefix(h.URL, "/") {
		if err := registrar.CheckMaxConnections(cmp.Or(h.MaxConnections, defaultMaxConnections), h.local()); err != nil {
			return fmt.Errorf("max_connections: %w", err)
		}
		if err := registrar.CheckIPAddress(h.IPAddress, h.local()); err != nil {
			return fmt.Errorf("ip_address: %w", err)
		}
		return nil
	}
	check := *h
	if check.Certificate == certificate.Internal {
		check.Certificate = "" // the CA is there only once everything runs
	}
	w, err := check.wanted(ctx, h.URL)
	if err != nil {
		return err
	}
	return registrar.Check(w, h.local())
}

// botKey names the bot in storage, and in this process.
func (h *Handler) botKey() string {
	return registrar.Key(h.registering.token.BotID(), h.APITest, cmp.Or(h.API, botapi.DefaultAPI))
}

// onEvent is a function as a subscriber of Caddy's events, which logs it.
type onEvent struct{ do func() }

// Handle satisfies caddyevents.Handler.
func (e onEvent) Handle(context.Context, caddy.Event) error { e.do(); return nil }

func (h *Handler) subscribe(ctx caddy.Context) error {
	app, err := ctx.App("events")
	if err != nil {
		return fmt.Errorf("getting events app: %w", err)
	}
	events := app.(*caddyevents.App)
	h.emit = func(name string, data map[string]any) {
		data["name"] = h.webhook().name
		events.Emit(ctx, "telegram_webhook_"+name, data)
	}
	if err := events.On("started", onEvent{func() { h.startRegistrar(ctx) }}); err != nil {
		return err
	}
	return events.On("stopping", onEvent{h.stopRegistrar})
}

// startRegistrar takes over from the configuration before, if there is one, and
// starts to work in the background.
func (h *Handler) startRegistrar(ctx caddy.Context) {
	g := h.registering
	name := h.webhook().name
	g.running.Store(registrar.Start(registrar.Config{
		Webhook:  func() (botapi.Webhook, error) { return h.currentWebhook(ctx) },
		API:      botapi.New(g.token, botapi.Options{API: h.API, Test: h.APITest}),
		Storage:  ctx.Storage(),
		Prefix:   h.botKey(),
		MACKey:   g.raw,
		Node:     registrar.ThisNode(),
		Interval: max(0, cmp.Or(time.Duration(h.Check), defaultCheck)),
		Bot:      g.bot,
		Logger:   h.logger.With(zap.String("name", name)),
		Emit:     h.emit,
		Observe:  func(s registrar.Status) { metrics.Observe(name, s) },
	}))
}

// suspect tells the registrar of a refused request from Telegram's own address.
func (h *Handler) suspect() {
	if r := h.registering.at(); r != nil {
		r.Suspect()
	}
}

// at returns the registrar at work; nil before there is one.
func (g *registering) at() *registrar.Running {
	if g == nil {
		return nil
	}
	return g.running.Load()
}

func (h *Handler) stopRegistrar() {
	if r := h.registering.at(); r != nil {
		r.Stop()
	}
}

// cleanupRegistration gives the bot back.
func (h *Handler) cleanupRegistration() {
	if r := h.registering.at(); r != nil {
		r.Stop()
		r.Wait()
	}
	if h.registering != nil {
		for _, release := range h.registering.release {
			release()
		}
	}
}

// currentWebhook is what Telegram is to have now.
func (h *Handler) currentWebhook(ctx caddy.Context) (botapi.Webhook, error) {
	address, err := site.URL(h.server, h, h.URL)
	if err != nil {
		return botapi.Webhook{}, fmt.Errorf("url: %w", err)
	}
	w, err := h.wanted(ctx, address)
	if err != nil {
		return botapi.Webhook{}, err
	}
	if u, err := url.Parse(address); err == nil {
		h.warnOfCertificate(certificate.Warning(u.Hostname(), len(w.Certificate) > 0))
	}
	return w, registrar.Check(w, h.local())
}

func (h *Handler) wanted(ctx caddy.Context, address string) (w botapi.Webhook, err error) {
	if _, private, _ := strings.Cut(string(h.registering.raw), ":"); strings.Contains(address, private) {
		return w, errors.New("url: holds the bot token, which would be in every log; the secret does its work, so take any other path")
	}
	w = botapi.Webhook{
		URL:            address,
		Secret:         h.registered,
		AllowedUpdates: h.AllowedUpdates,
		MaxConnections: cmp.Or(h.MaxConnections, defaultMaxConnections),
		IPAddress:      h.IPAddress,
	}
	if w.Certificate, err = certificate.Load(ctx, h.Certificate); err != nil {
		return w, fmt.Errorf("certificate: %w", err)
	}
	return w, nil
}

// warnOfCertificate warns once, and again when it is something else.
func (h *Handler) warnOfCertificate(warning string) {
	if g := h.registering; warning != g.warned {
		g.warned = warning
		if warning != "" {
			h.logger.Warn(warning, zap.String("name", h.webhook().name))
		}
	}
}
