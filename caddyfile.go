package telegramwebhook

import (
	"math"
	"strconv"
	"time"

	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/caddy/v2/caddyconfig/httpcaddyfile"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"github.com/dustin/go-humanize"

	"github.com/caddy-telegram/telegramwebhook/internal/answer"
	"github.com/caddy-telegram/telegramwebhook/internal/args"
	"github.com/caddy-telegram/telegramwebhook/internal/dedupe"
	"github.com/caddy-telegram/telegramwebhook/internal/registry"
	"github.com/caddy-telegram/telegramwebhook/internal/secret"
	"github.com/caddy-telegram/telegramwebhook/internal/source"
)

func init() {
	httpcaddyfile.RegisterHandlerDirective("telegram_webhook", parseCaddyfile)
	// Before anything that answers or asks who the client is: respond and
	// reverse_proxy come later, and so does basic_auth, which Telegram cannot pass.
	httpcaddyfile.RegisterDirectiveOrder("telegram_webhook", httpcaddyfile.Before, "basic_auth")
}

func parseCaddyfile(helper httpcaddyfile.Helper) (caddyhttp.MiddlewareHandler, error) {
	h := new(Handler)
	if err := h.UnmarshalCaddyfile(helper.Dispenser); err != nil {
		return nil, err
	}
	return h, nil
}

// UnmarshalCaddyfile sets up the handler from Caddyfile tokens. Syntax:
//
//	telegram_webhook [<matcher>] [<secret>...] {
//		secret          <secret>...          # accepted; the first is the one registered
//		bot_token       <token>              # register the webhook; without secret, also keep one
//		rotate          <duration>|off [<grace>] # default: 30d 10m; kept secrets only
//		url             <url>|<path>         # default: this site's host and path
//		certificate     <pem file>|internal  # upload; for self-signed development set-ups
//		allowed_updates <type>...            # default: Telegram's default
//		max_connections <1-100>              # default: 40
//		ip_address      <ipv4>
//		api             <url>                # a local Bot API server
//		api_test                             # Telegram's test environment
//		check           <interval>|off       # default: 5m, compare with getWebhookInfo, repair
//		source          telegram|<cidr>...   # default: any address
//		hsts            <value>|off          # default: max-age=31536000
//		allow_http                           # accept plain HTTP (TLS ends elsewhere)
//		max_body        <size>               # default: 1MiB
//		retry_after     <duration>|off       # default: 5s, when the bot cannot be reached
//		forward_secret  [<secret>]           # hand the header on to the bot (or this value instead)
//		dedupe          [<count>]            # default: off; 10000 updates without a count
//		name            <name>               # default: the bot's id, or host and path
//	}
//
// Secrets are given on the directive's line or in the block, not on both.
// Placeholders in them are resolved when the configuration loads, not here.
func (h *Handler) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	d.Next() // consume directive name
	seen := make(map[string]bool)
	if d.NextArg() {
		d.Prev()
		seen["secret"] = true
		if err := h.unmarshalSecrets(d); err != nil {
			return err
		}
	}
	for d.NextBlock(0) {
		field := d.Val()
		unmarshal, ok := fields[field]
		if !ok {
			return d.Errf("unknown subdirective%s of telegram_webhook", args.Quote(field))
		}
		if seen[field] {
			return d.Errf("%s: is given twice", field)
		}
		seen[field] = true
		if err := unmarshal(h, d); err != nil {
			return err
		}
		if d.NextBlock(1) {
			return d.Errf("%s: takes no block", field)
		}
	}
	if len(h.Secret) == 0 && h.BotToken == "" {
		return d.Errf("secret: %w", secret.ErrMissing)
	}
	return nil
}

// fields is how each subdirective is read, with the dispenser at its name.
var fields = map[string]func(*Handler, *caddyfile.Dispenser) error{
	"secret":          (*Handler).unmarshalSecrets,
	"bot_token":       (*Handler).unmarshalBotToken,
	"rotate":          (*Handler).unmarshalRotate,
	"url":             text(func(h *Handler) *string { return &h.URL }),
	"certificate":     text(func(h *Handler) *string { return &h.Certificate }),
	"allowed_updates": (*Handler).unmarshalAllowedUpdates,
	"max_connections": (*Handler).unmarshalMaxConnections,
	"ip_address":      text(func(h *Handler) *string { return &h.IPAddress }),
	"api":             text(func(h *Handler) *string { return &h.API }),
	"api_test":        mark(func(h *Handler) *bool { return &h.APITest }),
	"check":           (*Handler).unmarshalCheck,
	"source":          (*Handler).unmarshalSource,
	"hsts":            (*Handler).unmarshalHSTS,
	"allow_http":      mark(func(h *Handler) *bool { return &h.AllowHTTP }),
	"max_body":        (*Handler).unmarshalMaxBody,
	"retry_after":     (*Handler).unmarshalRetryAfter,
	"forward_secret":  (*Handler).unmarshalForwardSecret,
	"dedupe":          (*Handler).unmarshalDedupe,
	"name":            (*Handler).unmarshalName,
}

// text reads a field of one word, which is checked where it is used.
func text(field func(*Handler) *string) func(*Handler, *caddyfile.Dispenser) error {
	return func(h *Handler, d *caddyfile.Dispenser) (err error) {
		*field(h), err = args.One(d, d.Val())
		return err
	}
}

// mark reads a field that is set by its name alone.
func mark(field func(*Handler) *bool) func(*Handler, *caddyfile.Dispenser) error {
	return func(h *Handler, d *caddyfile.Dispenser) error {
		*field(h) = true
		return args.None(d, d.Val())
	}
}

func (h *Handler) unmarshalSecrets(d *caddyfile.Dispenser) error {
	h.Secret = d.RemainingArgs()
	if len(h.Secret) == 0 {
		return d.Err("secret: needs at least one secret, such as {env.TELEGRAM_WEBHOOK_SECRET}")
	}
	for _, s := range h.Secret {
		if err := checkLiteral(s); err != nil {
			return d.Errf("secret: %w", err)
		}
	}
	return nil
}

func (h *Handler) unmarshalForwardSecret(d *caddyfile.Dispenser) error {
	h.ForwardSecret = new(string)
	if !d.NextArg() {
		return nil
	}
	*h.ForwardSecret = d.Val()
	if err := checkLiteral(d.Val()); err != nil {
		return d.Errf("forward_secret: %w", err)
	}
	return args.None(d, "forward_secret")
}

// checkLiteral checks a secret that is written out. One that holds placeholders
// can be checked only where it is used.
func checkLiteral(configured string) error {
	if secret.Literal(configured) {
		return secret.Check(configured)
	}
	return nil
}

func (h *Handler) unmarshalSource(d *caddyfile.Dispenser) error {
	h.Source = d.RemainingArgs()
	if len(h.Source) == 0 {
		return d.Err("source: needs telegram or address ranges")
	}
	if _, err := source.Parse(h.Source...); err != nil {
		return d.Errf("source: %w", err)
	}
	return nil
}

func (h *Handler) unmarshalHSTS(d *caddyfile.Dispenser) error {
	arg, err := args.One(d, "hsts")
	if err != nil {
		return err
	}
	if err := answer.CheckHSTS(arg); err != nil {
		return d.Errf("hsts: %w", err)
	}
	h.HSTS = arg
	return nil
}

func (h *Handler) unmarshalBotToken(d *caddyfile.Dispenser) (err error) {
	h.BotToken, err = args.One(d, "bot_token")
	return err
}

func (h *Handler) unmarshalAllowedUpdates(d *caddyfile.Dispenser) error {
	if h.AllowedUpdates = d.RemainingArgs(); len(h.AllowedUpdates) == 0 {
		return d.Err("allowed_updates: needs at least one type of update, such as message")
	}
	return nil
}

func (h *Handler) unmarshalMaxConnections(d *caddyfile.Dispenser) error {
	arg, err := args.One(d, "max_connections")
	if err != nil {
		return err
	}
	if h.MaxConnections, err = strconv.Atoi(arg); err != nil || h.MaxConnections < 1 {
		return d.Errf("max_connections: %q is not a number from 1 to 100", arg)
	}
	return nil
}

func (h *Handler) unmarshalCheck(d *caddyfile.Dispenser) (err error) {
	h.Check, err = args.Duration(d, "check")
	return err
}

func (h *Handler) unmarshalRotate(d *caddyfile.Dispenser) (err error) {
	if !d.NextArg() {
		return d.Err("rotate: needs a duration or off")
	}
	if h.Rotate, err = args.ParseDuration(d, "rotate"); err != nil || !d.NextArg() {
		return err
	}
	if d.Val() == "0s" || d.Val() == "0" {
		h.RotateGrace = args.Off
	} else if h.RotateGrace, err = args.ParseDuration(d, "rotate"); err != nil {
		return err
	}
	return args.None(d, "rotate")
}

func (h *Handler) unmarshalMaxBody(d *caddyfile.Dispenser) error {
	arg, err := args.One(d, "max_body")
	if err != nil {
		return err
	}
	size, err := humanize.ParseBytes(arg)
	if err != nil || size == 0 || size > math.MaxInt64 {
		return d.Errf("max_body: %q is not a size such as 1MiB", arg)
	}
	h.MaxBody = int64(size)
	return nil
}

func (h *Handler) unmarshalRetryAfter(d *caddyfile.Dispenser) (err error) {
	if h.RetryAfter, err = args.Duration(d, "retry_after"); err != nil || h.RetryAfter == args.Off {
		return err
	}
	if err := answer.CheckRetryAfter(time.Duration(h.RetryAfter)); err != nil {
		return d.Errf("retry_after: %w", err)
	}
	return nil
}

func (h *Handler) unmarshalDedupe(d *caddyfile.Dispenser) error {
	h.Dedupe = dedupe.DefaultCount
	if !d.NextArg() {
		return nil
	}
	count, err := strconv.Atoi(d.Val())
	if err != nil || dedupe.CheckCount(count) != nil {
		return d.Errf("dedupe: %q is not a number of updates from 1 to %d", d.Val(), dedupe.MaxCount)
	}
	h.Dedupe = count
	return args.None(d, "dedupe")
}

func (h *Handler) unmarshalName(d *caddyfile.Dispenser) error {
	arg, err := args.One(d, "name")
	if err != nil {
		return err
	}
	if err := registry.CheckName(arg); err != nil {
		return d.Errf("name: %w", err)
	}
	h.Name = arg
	return nil
}

// Interface guards
var _ caddyfile.Unmarshaler = (*Handler)(nil)
