package listener

import (
	"strconv"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	"github.com/caddy-telegram/telegramwebhook/internal/args"
	"github.com/caddy-telegram/telegramwebhook/internal/clientip"
	"github.com/caddy-telegram/telegramwebhook/internal/telegram"
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
	if err := args.None(d, name); err != nil {
		return err
	}
	for nesting := d.Nesting(); d.NextBlock(nesting); {
		var err error
		switch option := d.Val(); {
		case option == "only" && w.Only == nil:
			if w.Only, err = args.Several(d, option, "telegram or address ranges"); err == nil {
				if _, err = clientip.Parse(w.Only...); err != nil {
					err = d.Errf("only: %w", err)
				}
			}
		case option == "penalty" && w.Penalty == nil:
			w.Penalty = new(Penalty)
			err = w.Penalty.unmarshal(d)
		case option == "only", option == "penalty":
			err = d.Errf("%s: is given twice", option)
		default:
			err = args.Unknown(d, option, "the listener wrapper telegram_webhook", "only", "penalty")
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (p *Penalty) unmarshal(d *caddyfile.Dispenser) (err error) {
	if !d.NextArg() {
		return nil
	}
	if p.Count, err = strconv.Atoi(d.Val()); err != nil || p.Count < 1 {
		return d.Errf("penalty: %s is not a number of refused requests", telegram.Quote(d.Val()))
	}
	for _, field := range []*caddy.Duration{&p.Window, &p.Duration} {
		if !d.NextArg() {
			return nil
		}
		wait, err := args.ParseDuration(d, "penalty")
		if err != nil || wait == args.Off {
			return d.Errf("penalty: %s is not a duration such as 1m", telegram.Quote(d.Val()))
		}
		*field = caddy.Duration(wait)
	}
	return args.None(d, "penalty")
}
