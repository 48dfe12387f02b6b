// Package guard is the listener wrapper telegram_webhook: it drops connections
// before they cost a TLS handshake, which is most of what a forgery costs.
//
//   - guard.go: what the wrapper is, and how it is written
//   - listener.go: which connections are dropped
//   - penalties.go: who has forged too often
//   - mute.go: who is not even answered
package guard

import (
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"go.uber.org/zap"

	"github.com/caddy-telegram/telegramwebhook/internal/args"
	"github.com/caddy-telegram/telegramwebhook/internal/boundedlog"
	"github.com/caddy-telegram/telegramwebhook/internal/metrics"
	"github.com/caddy-telegram/telegramwebhook/internal/source"
	"github.com/caddy-telegram/telegramwebhook/internal/status"
)

func init() { caddy.RegisterModule(new(Guard)) }

// Guard is a listener wrapper that drops connections right after they are
// accepted: from addresses that may not send updates at all, and from those that
// keep forging. Place it before the tls wrapper. What counts is the connection's
// own peer, never a header: behind a proxy it sees only the proxy.
//
// It also turns HTTP/3 off for its server, which comes by another way and which
// Telegram never uses.
type Guard struct {
	// The only addresses that may connect: "telegram" for the ranges that
	// Telegram publishes, CIDR ranges, or addresses. For a port that serves
	// nothing but the bot. A certificate authority cannot connect either: on port
	// 443 that rules out the TLS-ALPN-01 challenge, while HTTP-01 on port 80 goes
	// on. Default: any address.
	Only []string `json:"only,omitempty"`

	// When an address may not connect for a while. Default: never.
	Penalty *Penalty `json:"penalty,omitempty"`

	logger   *zap.Logger
	only     source.Ranges
	dropped  *boundedlog.Log
	barred   *boundedlog.Log
	silenced *boundedlog.Log
	server   *caddyhttp.Server
}

// Penalty is for addresses that keep forging. Never penalized are Telegram's
// ranges, the server's trusted proxies, and an address that has delivered a
// genuine update within the last hour. Of IPv6 the /64 counts. Penalties outlast
// a reload, but not a restart.
type Penalty struct {
	// How many refused requests within the window lead to a penalty. Default: 20.
	Count int `json:"count,omitempty"`

	// Default: 1m.
	Window caddy.Duration `json:"window,omitempty"`

	// How long new connections are dropped. Default: 10m.
	Duration caddy.Duration `json:"duration,omitempty"`
}

// CaddyModule returns the Caddy module information.
func (*Guard) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{
		ID:  "caddy.listeners.telegram_webhook",
		New: func() caddy.Module { return new(Guard) },
	}
}

// guards are those of the servers that are provisioned: the handlers of a server
// tell its guard what they refuse.
var guards sync.Map // of *caddyhttp.Server to *Guard

// For returns the guard of a server; nil if it has none.
func For(server *caddyhttp.Server) *Guard {
	g, _ := guards.Load(server)
	guard, _ := g.(*Guard)
	return guard
}

// Provision checks what was configured.
func (g *Guard) Provision(ctx caddy.Context) (err error) {
	if len(g.Only) == 0 && g.Penalty == nil {
		return errors.New("telegram_webhook: has neither only nor penalty, and so would drop nothing; give it one of them, or take it out")
	}
	if g.only, err = source.Parse(g.Only...); err != nil {
		return fmt.Errorf("telegram_webhook: only: %w", err)
	}
	if g.Penalty != nil {
		if err := g.Penalty.complete(); err != nil {
			return fmt.Errorf("telegram_webhook: penalty: %w", err)
		}
	}
	if err := metrics.RegisterGuard(ctx.GetMetricsRegistry(), allReasons, penalized); err != nil {
		return fmt.Errorf("registering metrics: %w", err)
	}
	g.logger = ctx.Logger()
	g.dropped = boundedlog.New(g.logger, zap.WarnLevel, "connection dropped", skip, reasons...)
	g.barred = boundedlog.New(g.logger, zap.WarnLevel, "address barred for forging", skip, "forged")
	g.silenced = boundedlog.New(g.logger, zap.WarnLevel, "address no longer answered", skip, "knocks")
	if server, ok := ctx.Value(caddyhttp.ServerCtxKey).(*caddyhttp.Server); ok {
		g.server = server
		guards.Store(server, g)
		server.Protocols = without(server.Protocols, "h3")
		for i, protocols := range server.ListenProtocols {
			server.ListenProtocols[i] = without(protocols, "h3")
		}
	}
	return nil
}

func without(list []string, s string) []string {
	return slices.DeleteFunc(slices.Clone(list), func(other string) bool { return other == s })
}

func (p *Penalty) complete() error {
	if p.Count == 0 {
		p.Count = 20
	}
	if p.Window == 0 {
		p.Window = caddy.Duration(time.Minute)
	}
	if p.Duration == 0 {
		p.Duration = caddy.Duration(10 * time.Minute)
	}
	switch {
	case p.Count < 1:
		return errors.New("count: is negative")
	case p.Window < caddy.Duration(time.Second) || p.Window > caddy.Duration(24*time.Hour):
		return errors.New("window: is not from 1s to 24h")
	case p.Duration < caddy.Duration(time.Second) || p.Duration > caddy.Duration(24*time.Hour):
		return errors.New("duration: is not from 1s to 24h")
	}
	return nil
}

// Refused is told of a refused request, and reports whether its connection is to
// be closed since its address may no longer connect.
func (g *Guard) Refused(r *http.Request) bool {
	if g == nil || g.Penalty == nil {
		return false
	}
	peer, ok := peer(r)
	if !ok || source.TrustedProxy(r) || source.TelegramAddr(peer) {
		return false
	}
	barred := penalties.refused(subject(peer), *g.Penalty, time.Now())
	if barred {
		g.barred.Add(0, func() []zap.Field {
			return []zap.Field{zap.Stringer("range", subject(peer)), zap.Duration("for", time.Duration(g.Penalty.Duration))}
		})
	}
	return barred
}

// Passed is told of a genuine update.
func (g *Guard) Passed(r *http.Request) {
	if g == nil || g.Penalty == nil {
		return
	}
	if peer, ok := peer(r); ok && !source.TelegramAddr(peer) {
		penalties.passed(subject(peer), time.Now())
	}
}

// skip is for logs whose entries are about no webhook.
func skip() zap.Field { return zap.Skip() }

// penalized is how many addresses may not connect now.
func penalized() int { return penalties.count(time.Now()) }

// Status is what the guards of this process do; nil for a server without one.
func (g *Guard) Status() *status.Guard {
	if g == nil {
		return nil
	}
	return &status.Guard{Penalized: penalized(), Dropped: metrics.DroppedBy(allReasons)}
}

// peer is the address of the connection that a request came on.
func peer(r *http.Request) (netip.Addr, bool) {
	ap, err := netip.ParseAddrPort(r.RemoteAddr)
	return ap.Addr(), err == nil
}

// UnmarshalCaddyfile sets up the wrapper from Caddyfile tokens. Syntax, in the
// global options, where tls comes after it:
//
//	servers :443 {
//		listener_wrappers {
//			telegram_webhook {
//				only    telegram|<cidr>...
//				penalty [<count> [<window> [<duration>]]]   # default: 20 1m 10m
//			}
//			tls
//		}
//	}
func (g *Guard) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	d.Next() // consume wrapper name
	if err := args.None(d, "telegram_webhook"); err != nil {
		return err
	}
	for nesting := d.Nesting(); d.NextBlock(nesting); {
		switch field := d.Val(); field {
		case "only":
			if g.Only != nil {
				return d.Err("only: is given twice")
			}
			if g.Only = d.RemainingArgs(); len(g.Only) == 0 {
				return d.Err("only: needs telegram or address ranges")
			}
			if _, err := source.Parse(g.Only...); err != nil {
				return d.Errf("only: %w", err)
			}
		case "penalty":
			if g.Penalty != nil {
				return d.Err("penalty: is given twice")
			}
			g.Penalty = new(Penalty)
			if err := g.Penalty.unmarshal(d); err != nil {
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

// Cleanup ends what Provision has begun.
func (g *Guard) Cleanup() error {
	if g.server != nil {
		guards.CompareAndDelete(g.server, g)
	}
	g.dropped.Close()
	g.barred.Close()
	g.silenced.Close()
	return nil
}

// Interface guards
var (
	_ caddy.Provisioner     = (*Guard)(nil)
	_ caddy.CleanerUpper    = (*Guard)(nil)
	_ caddy.ListenerWrapper = (*Guard)(nil)
	_ caddyfile.Unmarshaler = (*Guard)(nil)
)
