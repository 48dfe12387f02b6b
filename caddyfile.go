package telegramwebhook

import (
	"cmp"
	"errors"
	"fmt"
	"time"

	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/caddy/v2/caddyconfig/httpcaddyfile"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/caddy-telegram/telegramwebhook/internal/app"
	"github.com/caddy-telegram/telegramwebhook/internal/args"
	"github.com/caddy-telegram/telegramwebhook/internal/botapi"
	"github.com/caddy-telegram/telegramwebhook/internal/clientip"
	"github.com/caddy-telegram/telegramwebhook/internal/deliver"
	"github.com/caddy-telegram/telegramwebhook/internal/secret"
	"github.com/caddy-telegram/telegramwebhook/internal/telegram"
)

func init() {
	httpcaddyfile.RegisterHandlerDirective("telegram_webhook", parseCaddyfile)
	// Before every directive that answers or authenticates the client: respond and
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
//		accept          <secret>...          # kept secrets only: accepted besides, while one way replaces another
//		poll            [on|off]             # fetch the updates instead: no public address needed
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
	if h.Secret = d.RemainingArgs(); len(h.Secret) > 0 {
		seen["secret"] = true
		if err := h.provisionOptions(); err != nil {
			return d.Errf("%w; if this is a path, begin it with /", err)
		}
	}
	for d.NextBlock(0) {
		option := d.Val()
		if seen[option] {
			return d.Errf("%s: is given twice", option)
		}
		seen[option] = true
		if err := h.unmarshalOption(d, option); err != nil {
			return err
		}
		if err := errors.Join(h.provisionOptions(), h.Registration.check(true)); err != nil { // api may follow
			return d.WrapErr(err)
		}
		if d.NextBlock(1) {
			return d.Errf("%s: takes no block", option)
		}
	}
	if len(h.Secret) == 0 && h.BotToken == "" {
		return d.Errf("secret: %w%s", secret.ErrMissing, args.Vanished)
	}
	if err := h.Registration.check(h.API != ""); err != nil {
		return d.WrapErr(err)
	}
	return nil
}

// options are the names of all options, from which an unknown one may be a typing error away.
var options = []string{
	"secret", "accept", "bot_token", "poll", "rotate", "url", "certificate", "allowed_updates", "max_connections", "ip_address", "api",
	"api_test", "check", "source", "hsts", "allow_http", "max_body", "retry_after", "forward_secret", "dedupe", "name",
}

// unmarshalOption reads one option, with the dispenser at its name.
func (h *Handler) unmarshalOption(d *caddyfile.Dispenser, option string) (err error) {
	switch option {
	case "secret":
		h.Secret, err = args.Several(d, option, "at least one secret, such as {env.TELEGRAM_WEBHOOK_SECRET}")
	case "accept":
		h.Accept, err = args.Several(d, option, "at least one secret, such as {env.TELEGRAM_WEBHOOK_SECRET}")
	case "bot_token":
		h.BotToken, err = args.One(d, option)
	case "poll":
		h.Poll, err = args.Switch(d, option)
	case "rotate":
		err = h.unmarshalRotate(d)
	case "url":
		h.URL, err = args.One(d, option)
	case "certificate":
		h.Certificate, err = args.One(d, option)
	case "allowed_updates":
		h.AllowedUpdates, err = args.Several(d, option, "at least one type of update, such as message")
	case "max_connections":
		h.MaxConnections, err = args.Number(d, option, "number of connections", 1, telegram.MaxLocalConnections)
	case "ip_address":
		h.IPAddress, err = args.One(d, option)
	case "api":
		h.API, err = args.One(d, option)
	case "api_test":
		h.APITest, err = true, args.None(d, option)
	case "check":
		h.Check, err = args.ReadDuration(d, option)
	case "source":
		h.Source, err = args.Several(d, option, "telegram or address ranges")
	case "hsts":
		h.HSTS, err = args.One(d, option)
	case "allow_http":
		h.AllowHTTP, err = true, args.None(d, option)
	case "max_body":
		h.MaxBody, err = args.Size(d, option)
	case "retry_after":
		h.RetryAfter, err = args.ReadDuration(d, option)
	case "forward_secret":
		h.ForwardSecret = new(string)
		if d.NextArg() {
			d.Prev()
			*h.ForwardSecret, err = args.One(d, option)
		}
	case "dedupe":
		h.Dedupe = deliver.DefaultCount
		if d.NextArg() {
			d.Prev()
			h.Dedupe, err = args.Number(d, option, "number of updates", 1, deliver.MaxCount)
		}
	case "name":
		h.Name, err = args.One(d, option)
	default:
		err = args.Unknown(d, option, "telegram_webhook", options...)
	}
	return err
}

// provisionOptions takes the options that stand by themselves, so far as they have no placeholders. It is called after
// each option here, so that an error has a file and line, and in Provision.
func (h *Handler) provisionOptions() (err error) {
	for _, field := range []struct {
		name   string
		values []string
		check  func(value string) error
	}{
		{"secret", h.Secret, secret.CheckAccepted},
		{"accept", h.Accept, secret.CheckAccepted},
		{"forward_secret", given(*cmp.Or(h.ForwardSecret, new(string))), secret.CheckForwarded},
		{"bot_token", given(h.BotToken), botapi.CheckToken},
		{"api", given(h.API), botapi.CheckServer},
		{"url", given(h.URL), nil},
		{"certificate", given(h.Certificate), nil},
		{"ip_address", given(h.IPAddress), nil},
	} {
		for _, value := range field.values {
			if err := secret.CheckConfigured(value, field.check); err != nil {
				return fmt.Errorf("%s: %w", field.name, err)
			}
		}
	}
	if err := app.CheckName(h.Name); err != nil {
		return fmt.Errorf("name: %w", err)
	}
	if h.Dedupe < 0 || h.Dedupe > deliver.MaxCount {
		return fmt.Errorf("dedupe: %d is not a number of updates from 1 to %d", h.Dedupe, deliver.MaxCount)
	}
	if h.sources, err = clientip.Parse(h.Source...); err != nil {
		return fmt.Errorf("source: %w", err)
	}
	h.answers, err = deliver.NewRules(h.HSTS, time.Duration(h.RetryAfter), h.MaxBody)
	return err
}

// given is a list of a value, if there is one.
func given(value string) []string {
	if value == "" {
		return nil
	}
	return []string{value}
}

func (h *Handler) unmarshalRotate(d *caddyfile.Dispenser) (err error) {
	if !d.NextArg() {
		return d.Err("rotate: needs a duration or off" + args.Vanished)
	}
	if h.Rotate, err = args.ParseDuration(d, "rotate"); err != nil || !d.NextArg() {
		return err
	}
	if h.Rotate == args.Off {
		return d.Err("rotate: off takes no second duration")
	}
	if d.Val() == "0s" || d.Val() == "0" {
		h.RotateGrace = args.Off
	} else if h.RotateGrace, err = args.ParseDuration(d, "rotate"); err != nil {
		return err
	}
	return args.None(d, "rotate")
}

// Interface guards
var _ caddyfile.Unmarshaler = (*Handler)(nil)
