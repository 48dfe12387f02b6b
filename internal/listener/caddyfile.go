package listener

import (
	"strconv"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	"github.com/caddy-telegram/telegramwebhook/internal/args"
	"github.com/caddy-telegram/telegramwebhook/internal/source"
)

// UnmarshalCaddyfile sets up the wrapper from Caddyfile tokens. Syntax, in the
// global options, where tls comes after it:
//
//	servers :443 {
//		protocols h1 h2
//		listener_wrappers {
//			telegram_webhook {
//				only    telegram|<cidr>...
//				penalty [<count> [<window> [<duration>]]]   # default: 20 1m 10m
//			}
//			tls
//		}
//	}
func (w *Wrapper) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	d.Next() // consume wrapper name
	if err := args.None(d, "telegram_webhook"); err != nil {
		return err
	}
	for nesting := d.Nesting(); d.NextBlock(nesting); {
		switch field := d.Val(); field {
		case "only":
			if w.Only != nil {
				return d.Err("only: is given twice")
			}
			if w.Only = d.RemainingArgs(); len(w.Only) == 0 {
				return d.Err("only: needs telegram or address ranges")
			}
			if _, err := source.Parse(w.Only...); err != nil {
				return d.Errf("only: %w", err)
			}
		case "penalty":
			if w.Penalty != nil {
				return d.Err("penalty: is given twice")
			}
			w.Penalty = new(Penalty)
			if err := w.Penalty.unmarshal(d); err != nil {
				return err
			}
		default:
			return d.Errf("unknown subdirective%s of the listener wrapper telegram_webhook", args.Quote(field))
		}
	}
	return nil
}

func (p *Penalty) unmarshal(d *caddyfile.Dispenser) (err error) {
	if !d.NextArg() {
		return nil
	}
	if p.Count, err = strconv.Atoi(d.Val()); err != nil || p.Count < 1 {
		return d.Errf("penalty: %q is not a number of refused requests", d.Val())
	}
	for _, field := range []*caddy.Duration{&p.Window, &p.Duration} {
		if !d.NextArg() {
			return nil
		}
		if *field, err = args.ParseDuration(d, "penalty"); err != nil || *field == args.Off {
			return d.Errf("penalty: %q is not a duration such as 1m", d.Val())
		}
	}
	return args.None(d, "penalty")
}
