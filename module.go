// Package telegramwebhook provides the Caddy HTTP handler telegram_webhook: a
// guard in front of a Telegram bot that receives its updates by webhook.
//
// A webhook is a public HTTPS address, and whoever knows it can post forged
// updates. The only proof of origin is the secret token that Telegram sends in
// the header X-Telegram-Bot-Api-Secret-Token. The handler lets a request through
// to the bot only over HTTPS and with an accepted secret, keeps the secret out
// of every log, and answers Telegram so that no update is lost while the bot is
// away.
//
//   - module.go: what the handler is, and what can be set
//   - caddyfile.go: how it is written in a Caddyfile
//   - verify.go: who may pass
//   - setwebhook.go: what Telegram is told
package telegramwebhook

import (
	"cmp"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"go.uber.org/zap"

	"github.com/caddy-telegram/telegramwebhook/internal/admin"
	"github.com/caddy-telegram/telegramwebhook/internal/answer"
	"github.com/caddy-telegram/telegramwebhook/internal/app"
	"github.com/caddy-telegram/telegramwebhook/internal/botapi"
	"github.com/caddy-telegram/telegramwebhook/internal/boundedlog"
	_ "github.com/caddy-telegram/telegramwebhook/internal/command"
	"github.com/caddy-telegram/telegramwebhook/internal/listener"
	"github.com/caddy-telegram/telegramwebhook/internal/metrics"
	"github.com/caddy-telegram/telegramwebhook/internal/registry"
	"github.com/caddy-telegram/telegramwebhook/internal/secret"
	"github.com/caddy-telegram/telegramwebhook/internal/site"
	"github.com/caddy-telegram/telegramwebhook/internal/source"
)

func init() {
	caddy.RegisterModule(new(Handler))
}

// Handler guards a Telegram bot's webhook. A request passes to the next handler,
// usually reverse_proxy, only if it came over HTTPS, from an accepted source,
// with exactly one X-Telegram-Bot-Api-Secret-Token header that equals an
// accepted secret, as a POST of application/json. Any other gets an empty 403
// (405, 413 or 415 if only the method, the length or the type is wrong), a line
// in the handler's own log, bounded under a flood, and none in the access log.
//
// The bot's answer goes back byte for byte, but for three things that Telegram
// would misunderstand: 1xx answers are held back, a 410 becomes a 503, and a bot
// that cannot be reached is answered for with 503 and Retry-After. Errors of the
// handlers behind this one are answered and logged here; handle_errors does not
// see them.
//
// Put nothing but the bot on its site, or in its handle block: what else leads
// to the same bot leads past the guard.
type Handler struct {
	// The accepted secrets, 1 to 256 characters of A-Z a-z 0-9 _ - each; the
	// first is the one that is registered as the webhook's secret_token, others
	// are accepted while one replaces another. May hold placeholders, which are
	// read once, when the configuration loads: with {env.NAME} and {file.PATH}
	// the secret itself is in no configuration. An empty or malformed secret
	// keeps the configuration from loading; one that is shorter than 22
	// characters, or written out, loads with a warning. Default: with bot_token,
	// a secret that is made by itself and kept in Caddy's storage, the same for
	// all nodes that share it; without, the configuration does not load.
	Secret []string `json:"secret,omitempty"`

	// How long a kept secret is registered until another one takes its place, at
	// least 5s; negative for ever. Default: 30d.
	Rotate caddy.Duration `json:"rotate,omitempty"`

	// How long a kept secret is accepted after another one has taken its place, at
	// most as long as rotate; negative for not at all. Default: 10m.
	RotateGrace caddy.Duration `json:"rotate_grace,omitempty"`

	// The client addresses that may send updates, as Caddy's trusted_proxies
	// tell them: "telegram" for the ranges that Telegram publishes, CIDR ranges,
	// or addresses. Others get 403. Default: any address, since Telegram warns
	// that its ranges may change and the secret is proof enough.
	Source []string `json:"source,omitempty"`

	// The Strict-Transport-Security header of every answer over HTTPS, or "off".
	// A value that the site has set before stays. Default: max-age=31536000.
	HSTS string `json:"hsts,omitempty"`

	// Accept plain HTTP, where TLS ends elsewhere and the network between is
	// trusted. Not needed behind a proxy among the server's trusted_proxies that
	// sends X-Forwarded-Proto: https. Default: false, plain HTTP gets 403.
	AllowHTTP bool `json:"allow_http,omitempty"`

	// The longest body in bytes; a longer one gets 413. Telegram's updates have
	// at most 512 KiB. Default: 1048576 (1 MiB).
	MaxBody int64 `json:"max_body,omitempty"`

	// The Retry-After that Telegram is given when the bot cannot be reached, in
	// whole seconds up to an hour; negative to send none, so that Telegram's
	// pauses grow. Default: 5s.
	RetryAfter caddy.Duration `json:"retry_after,omitempty"`

	// Hand the secret header on to the bot: empty for the header as it came, or
	// the value to send instead, of the same form as a secret; it may hold
	// placeholders. For bots that insist on checking for themselves. It is then
	// in what reverse_proxy logs of its requests: at level DEBUG, and at WARN when
	// a bot breaks off in the middle of an answer. Default: absent, the bot does
	// not see the header.
	ForwardSecret *string `json:"forward_secret,omitempty"`

	// How many updates to remember, 1 to 1000000, so that the bot gets each once:
	// an update_id that it has answered with 2xx is answered 200, with the method
	// in that answer if it was at most 64 KiB, and one that it still works on
	// waits for that. The bot goes on when Telegram hangs up after 60 seconds, for
	// at most ten minutes more. It takes about 60 bytes an update, and at most
	// 1 KiB with its answer. Default: 0, every update is passed on. In a Caddyfile
	// the default count is 10000, the updates of at least two minutes, after which
	// Telegram has sent an update again.
	Dedupe int `json:"dedupe,omitempty"`

	// The webhook's name in logs and metrics: 1 to 64 characters of A-Z a-z 0-9
	// . _ -. Default: the bot's id, or else the first host and path that lead here.
	Name string `json:"name,omitempty"`

	Registration

	logger  *zap.Logger
	server  *caddyhttp.Server
	app     *app.App
	secrets secret.Source
	forward []string // the header's value for the bot, if not the one that came
	sources source.Ranges
	answers answer.Rules
	refused *boundedlog.Log
	failed  *boundedlog.Log
	webhook func() identity
	updates *registry.Updates
	spot    *site.Spot
	held    *registry.Holdings

	listener    *listener.Wrapper // nil if the server has none
	registering *registering      // nil without a bot token
}

// identity is what depends on where the handler stands. It is known once the
// whole configuration is provisioned, and found at the first request.
type identity struct {
	name    string
	botID   string // empty without a bot token
	metrics *metrics.Webhook
}

// CaddyModule returns the Caddy module information.
func (*Handler) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{
		ID:  "http.handlers.telegram_webhook",
		New: func() caddy.Module { return new(Handler) },
	}
}

// Provision resolves and checks what was configured. It touches no network and
// writes nothing.
func (h *Handler) Provision(ctx caddy.Context) error {
	h.logger = ctx.Logger()
	var err error
	if h.app, err = app.Of(ctx); err != nil {
		return err
	}
	if h.server, err = h.app.AddGate(ctx, h); err != nil {
		return err
	}
	h.held = registry.NewHoldings(h.app)
	for _, step := range []func() error{h.provisionSecrets, h.provisionForward, h.provisionSources} {
		if err := step(); err != nil {
			return err
		}
	}
	if err := cmp.Or(registry.CheckName(h.Name), h.held.ClaimName(h.Name)); err != nil {
		return fmt.Errorf("name: %w", err)
	}
	if h.answers, err = answer.NewRules(h.HSTS, time.Duration(h.RetryAfter), h.MaxBody); err != nil {
		return err
	}
	h.answers.WriteTimeout = time.Duration(h.server.WriteTimeout)
	if err := metrics.Register(ctx.GetMetricsRegistry()); err != nil {
		return fmt.Errorf("registering metrics: %w", err)
	}
	h.webhook, h.spot = sync.OnceValue(h.identify), new(site.Spot)
	h.listener = listener.For(h.server)
	h.refused = boundedlog.New(h.logger, zap.WarnLevel, "webhook request refused", h.nameField, resultNames()...)
	h.failed = boundedlog.New(h.logger, zap.ErrorLevel, "update not delivered", h.nameField, answer.Kinds...)
	h.warn(ctx)
	if err := h.provisionRegistration(ctx); err != nil {
		return err
	}
	if h.updates, err = registry.NewUpdates(h.app, h.server, h.Dedupe, h.botKey, h.namedLogger); err != nil {
		return err
	}
	return h.app.On(func() { h.start(ctx) }, func() { h.registering.at().Stop() })
}

// start makes the webhook known to its operator, once the configuration runs.
func (h *Handler) start(ctx caddy.Context) {
	h.warnOfPlace()
	if h.Name == "" {
		if err := h.held.ClaimName(h.webhook().name); err != nil {
			h.namedLogger().Warn("two webhooks have the same name, in logs, metrics and the admin API; give one of them another")
		}
	}
	h.updates.Start()
	h.startRegistrar(ctx)
	h.held.Add(&admin.Webhook{
		Called:    h.webhook().name,
		Address:   h.address(),
		Secrets:   h.secrets,
		Counts:    func() map[string]uint64 { return h.webhook().metrics.Counts(resultNames()) },
		Listener:  h.listener.Status,
		Registrar: h.registering.at(),
	})
}

// address is where the webhook is; empty if the configuration does not tell.
func (h *Handler) address() string {
	if g := h.registering; g != nil {
		return g.address
	}
	address, _ := site.URL(h.server, h.place(), "")
	return botapi.HideTokens(address)
}

// identify finds the handler's place and name.
func (h *Handler) identify() identity {
	botID := ""
	if h.registering != nil {
		botID = h.registering.ID()
	}
	name := cmp.Or(h.Name, botID)
	if name == "" {
		name = cmp.Or(append([]string{h.place().String()}, h.server.Listen...)...)
	}
	return identity{name: name, botID: botID, metrics: metrics.For(name, resultNames())}
}

// Spot is where the handler stands.
func (h *Handler) Spot() *site.Spot { return h.spot }

func (h *Handler) place() site.Place { return h.spot.Place(h.server) }

// botKey tells bots apart, in this process: by their tokens, or else by the
// webhook's name and server.
func (h *Handler) botKey() string {
	if h.registering != nil {
		return h.registering.Key()
	}
	return h.webhook().name + " on " + strings.Join(h.server.Listen, " ")
}

// nameField says in a log entry which webhook it is about.
func (h *Handler) nameField() zap.Field { return zap.String("name", h.webhook().name) }

func (h *Handler) namedLogger() *zap.Logger { return h.logger.With(h.nameField()) }

// Cleanup writes what the logs have held back.
func (h *Handler) Cleanup() error {
	h.refused.Close()
	h.failed.Close()
	h.registering.at().Stop() // Caddy has not, if the configuration failed at its very end
	h.registering.at().Wait()
	h.held.Release()
	h.updates.Release()
	return nil
}

// Interface guards
var (
	_ caddy.Module                = (*Handler)(nil)
	_ caddy.Provisioner           = (*Handler)(nil)
	_ caddy.CleanerUpper          = (*Handler)(nil)
	_ caddyhttp.MiddlewareHandler = (*Handler)(nil)
	_ site.Stander                = (*Handler)(nil)
)
