// Package telegramwebhook provides the Caddy HTTP handler telegram_webhook: a
// guard in front of a Telegram bot that receives its updates by webhook.
//
// A webhook is a public HTTPS address, and whoever knows it can post forged updates. The only proof of origin is the
// secret token that Telegram sends in the header X-Telegram-Bot-Api-Secret-Token. The handler lets a request through to
// the bot only over HTTPS and with an accepted secret, keeps the secret out of every log, and answers Telegram so that
// no update is lost while the bot is away.
//
//   - module.go: the handler and its options
//   - caddyfile.go: the Caddyfile syntax
//   - verify.go: the check of each request
//   - setwebhook.go: the registration with Telegram
package telegramwebhook

import (
	"cmp"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp/reverseproxy"
	"go.uber.org/zap"

	"github.com/caddy-telegram/telegramwebhook/internal/app"
	"github.com/caddy-telegram/telegramwebhook/internal/args"
	"github.com/caddy-telegram/telegramwebhook/internal/boundedlog"
	"github.com/caddy-telegram/telegramwebhook/internal/clientip"
	_ "github.com/caddy-telegram/telegramwebhook/internal/command"
	"github.com/caddy-telegram/telegramwebhook/internal/deliver"
	"github.com/caddy-telegram/telegramwebhook/internal/listener"
	"github.com/caddy-telegram/telegramwebhook/internal/secret"
	"github.com/caddy-telegram/telegramwebhook/internal/site"
	"github.com/caddy-telegram/telegramwebhook/internal/telegram"
)

func init() {
	caddy.RegisterModule(new(Handler))
}

// Handler guards a Telegram bot's webhook. A request passes to the next handler, usually reverse_proxy, only if it came
// over HTTPS, from an accepted source, with exactly one X-Telegram-Bot-Api-Secret-Token header that equals an accepted
// secret, as a POST of application/json. Any other gets an empty 403 (405, 413 or 415 if only the method, the length or
// the type is wrong), a line in the handler's own log, bounded under a flood, and none in the access log.
//
// The bot's answer goes back byte for byte, with these exceptions, which Telegram would misunderstand: 1xx answers and
// trailers are held back, and a 410 becomes a 503. If the bot cannot be reached, Telegram gets 503 with Retry-After.
// The handler answers and logs errors of the handlers behind it; handle_errors does not see them.
//
// Put nothing but the bot on its site, or in its handle block: another route to the same bot bypasses the guard.
type Handler struct {
	// The accepted secrets, 16 to 256 characters of A-Z a-z 0-9 _ - each; the first is the one that is registered as
	// the webhook's secret_token, others are accepted while one replaces another. May hold placeholders, which are read
	// once, when the configuration loads: with {env.NAME} and {file.PATH} the secret itself is in no configuration. An
	// empty or malformed secret keeps the configuration from loading, and so does one that is shorter than 16
	// characters; one that is shorter than 22, or written out, loads with a warning. Default: with bot_token, the
	// handler makes a secret and keeps it in Caddy's storage, the same for all nodes that share it; without bot_token,
	// the configuration does not load.
	Secret []string `json:"secret,omitempty"`

	// Secrets that are accepted besides a kept one, of the same form as secret, while a
	// kept secret replaces a configured one. If Telegram has one of them when the handler
	// would make the first secret, the handler keeps that one. Default: none.
	Accept []string `json:"accept,omitempty"`

	// How long a kept secret is registered until another one takes its place, at
	// least 5s; "off" or negative for ever. Default: 30d.
	Rotate args.Duration `json:"rotate,omitempty"`

	// How long a kept secret is accepted after another one has taken its place, at
	// most as long as rotate; "off" or negative for not at all. Default: 10m.
	RotateGrace args.Duration `json:"rotate_grace,omitempty"`

	// The client addresses that may send updates, as Caddy's trusted_proxies tell them: "telegram" for the ranges that
	// Telegram publishes, CIDR ranges, or addresses. Others get 403. Default: any address, since Telegram warns that
	// its ranges may change and the secret is proof enough.
	Source []string `json:"source,omitempty"`

	// The Strict-Transport-Security header of every answer over HTTPS, or "off".
	// A value that the site has set before stays. Default: max-age=31536000.
	HSTS string `json:"hsts,omitempty"`

	// Accept plain HTTP, where TLS ends elsewhere and the network between is trusted. Not needed behind a proxy among
	// the server's trusted_proxies that sends X-Forwarded-Proto: https. Default: false, plain HTTP gets 403.
	AllowHTTP bool `json:"allow_http,omitempty"`

	// The longest body in bytes; a longer one gets 413. At least 524288 (512 KiB),
	// which Telegram's longest updates have. Default: 1048576 (1 MiB).
	MaxBody int64 `json:"max_body,omitempty"`

	// The Retry-After that Telegram is given when the bot cannot be reached, in whole seconds up to an hour; "off" or
	// negative to send none, so that Telegram's pauses grow. Default: 5s.
	RetryAfter args.Duration `json:"retry_after,omitempty"`

	// Hand the secret header on to the bot: empty for the header as it came, or the value to send instead, of the same
	// form as a secret; it may hold placeholders. For bots that insist on checking for themselves. It is then in what
	// reverse_proxy logs of its requests: at level DEBUG, and at WARN when a bot breaks off in the middle of an answer.
	// Default: absent, the bot does not see the header.
	ForwardSecret *string `json:"forward_secret,omitempty"`

	// How many updates to remember at least, 1 to 1000000, so that the bot gets each once: an update_id that it has
	// answered with 2xx is answered 200, the first time with the bot's answer if that has at most 64 KiB, and one that
	// it still works on is answered 503 with Retry-After. The bot goes on when Telegram hangs up after 60 seconds, for
	// at most ten minutes more. It takes about 80 bytes for each of these, and at most 2 KiB with the answers. Default:
	// 0, every update is passed on. In a Caddyfile the default count is 10000, the updates of at least two minutes,
	// after which Telegram has sent an update again.
	Dedupe int `json:"dedupe,omitempty"`

	// The webhook's name in logs and metrics: 1 to 64 characters of A-Z a-z 0-9
	// . _ -, not "ready". Default: the bot's id, or else its first host and path.
	Name string `json:"name,omitempty"`

	Registration

	logger   *zap.Logger
	app      *app.App
	webhook  *app.Webhook
	server   *caddyhttp.Server
	listener *listener.Wrapper // nil if the server has none
	forward  []string          // the header's value for the bot, if not the one that came
	sources  clientip.Ranges
	answers  deliver.Rules
	refused  *boundedlog.Log
	failed   *boundedlog.Log
	repeated *boundedlog.Log
}

// CaddyModule returns the Caddy module information.
func (*Handler) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{
		ID:  "http.handlers.telegram_webhook",
		New: func() caddy.Module { return new(Handler) },
	}
}

// Provision resolves and checks the options. It touches no network and writes nothing.
func (h *Handler) Provision(ctx caddy.Context) error {
	err := h.provision(ctx)
	if at := cmp.Or(site.Current(ctx), h.Name); err != nil && at != "" {
		for _, configured := range slices.Concat(h.Secret, h.Accept, given(h.BotToken)) { // which may stand in the path
			value, _ := secret.Replace(configured)
			if value = value[strings.Index(value, ":")+1:]; value != "" {
				at = strings.ReplaceAll(at, value, "[hidden]")
			}
		}
		return fmt.Errorf("%w, at %s", err, at)
	}
	return err
}

func (h *Handler) provision(ctx caddy.Context) (err error) {
	h.logger = ctx.Logger()
	settings := app.Settings{
		Name: h.Name, Dedupe: h.Dedupe, Results: resultNames(), Files: secret.Files(slices.Concat(h.Secret, h.Accept, []string{h.BotToken})...),
	}
	for _, step := range []func(*app.Settings) error{
		h.provisionSecrets, h.provisionRegistration, h.provisionForward,
		func(*app.Settings) error { return h.provisionOptions() },
	} {
		if err := step(&settings); err != nil {
			return err
		}
	}
	if h.app, err = app.Of(ctx); err != nil {
		return err
	}
	if h.webhook, h.server, err = h.app.Join(ctx, h, settings); err != nil {
		return err
	}
	h.listener = h.app.Wrapper(h.server)
	h.refused = boundedlog.New(h.logger, zap.WarnLevel, "webhook request refused", h.webhook.NameField, resultNames()...)
	h.failed = boundedlog.New(h.logger, zap.ErrorLevel, "update not delivered", h.webhook.NameField, deliver.Kinds...)
	h.repeated = boundedlog.New(h.logger, zap.InfoLevel, "update sent more than once", h.webhook.NameField, deliver.Kinds...)
	h.warn(ctx)
	return nil
}

// resultNames returns the names of all results, in their order.
func resultNames() []string {
	names := make([]string, len(results))
	for i, r := range results {
		names[i] = r.name
	}
	return names
}

// warn warns of options that load but are not as safe as they could be.
func (h *Handler) warn(ctx caddy.Context) {
	secret.WarnOfLiteral(h.logger, "secret", h.Secret...)
	secret.WarnOfLiteral(h.logger, "accept", h.Accept...)
	secret.WarnOfLiteral(h.logger, "bot_token", h.BotToken)
	if limit := time.Duration(h.server.WriteTimeout); limit > 0 && limit < telegram.Timeout {
		h.logger.Warn("write timeout of the server shorter than Telegram waits", zap.Duration("write_timeout", limit),
			zap.String("remedy", `set "timeouts { write }" in the global option servers to more than 60s, or remove it`))
	}
	h.warnOfUpdateTypes()
	if h.ForwardSecret == nil {
		return
	}
	secret.WarnOfLiteral(h.logger, "forward_secret", *h.ForwardSecret)
	if ctx.Logger(new(reverseproxy.Handler)).Core().Enabled(zap.DebugLevel) {
		h.logger.Warn("forward_secret at log level DEBUG: reverse_proxy writes the header that it sends into the log")
	}
}

// skipAccessLog keeps the request out of the site's access log.
func skipAccessLog(r *http.Request) {
	caddyhttp.SetVar(r.Context(), caddyhttp.LogSkipVar, true)
}

// Gate marks the handler as a gate among the routes.
func (*Handler) Gate() {}

// Cleanup writes the entries that the bounded logs have held back.
func (h *Handler) Cleanup() error {
	h.refused.Close()
	h.failed.Close()
	h.repeated.Close()
	return nil
}

// Interface guards
var (
	_ caddy.Module                = (*Handler)(nil)
	_ caddy.Provisioner           = (*Handler)(nil)
	_ caddy.CleanerUpper          = (*Handler)(nil)
	_ caddyhttp.MiddlewareHandler = (*Handler)(nil)
	_ site.Gate                   = (*Handler)(nil)
)
