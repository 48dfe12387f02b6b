// Package listener is the listener wrapper telegram_webhook. It drops connections
// before their TLS handshake, which is most of what a forgery costs.
//
//   - wrapper.go: what can be set, and what the handler reports
//   - caddyfile.go: how it is written in a Caddyfile
//   - order.go: its place among other wrappers
//   - conn.go: which connections are dropped, and when
//   - forgery.go: which requests count toward a penalty
//   - penalties.go: which addresses may not connect
//   - state.go: what is common to the process
package listener

import (
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"go.uber.org/zap"

	"github.com/caddy-telegram/telegramwebhook/internal/boundedlog"
	"github.com/caddy-telegram/telegramwebhook/internal/metrics"
	"github.com/caddy-telegram/telegramwebhook/internal/source"
	"github.com/caddy-telegram/telegramwebhook/internal/status"
)

func init() { caddy.RegisterModule(new(Wrapper)) }

// Wrapper is a listener wrapper that drops connections before their TLS handshake:
// from addresses that may not send updates at all, and from those that keep
// forging. Open connections are not cut. Place it before the tls wrapper, and
// after proxy_protocol. It judges the peer of the connection, never a header:
// behind an HTTP proxy it sees only the proxy.
//
// HTTP/3 does not pass through listener wrappers. Turn it off with
// "protocols h1 h2"; Telegram never uses it.
type Wrapper struct {
	// The only addresses that may connect: "telegram" for the ranges that
	// Telegram publishes, CIDR ranges, or addresses. For a port that serves
	// nothing but the bot. A certificate authority cannot connect either: on port
	// 443 that rules out the TLS-ALPN-01 challenge, while HTTP-01 on port 80 goes
	// on. Default: any address.
	Only []string `json:"only,omitempty"`

	// When an address may not connect for a while. Default: never.
	Penalty *Penalty `json:"penalty,omitempty"`

	logger     *zap.Logger
	only       source.Ranges
	droppedLog *boundedlog.Log
	barredLog  *boundedlog.Log
	server     *caddyhttp.Server
}

// Penalty is for addresses that keep forging: by requests with a wrong secret
// header, or POST requests of JSON without one. Never penalized are Telegram's
// ranges, the server's trusted proxies, and an address that has delivered a
// genuine update within the last hour. Of IPv6 the /64 counts. Penalties outlast
// a reload, but not a restart.
type Penalty struct {
	// How many forgeries within the window lead to a penalty. Default: 20.
	Count int `json:"count,omitempty"`

	// Default: 1m.
	Window caddy.Duration `json:"window,omitempty"`

	// How long new connections are dropped. Default: 10m.
	Duration caddy.Duration `json:"duration,omitempty"`
}

// CaddyModule returns the Caddy module information.
func (*Wrapper) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{
		ID:  "caddy.listeners.telegram_webhook",
		New: func() caddy.Module { return new(Wrapper) },
	}
}

// Provision checks what was configured.
func (w *Wrapper) Provision(ctx caddy.Context) (err error) {
	w.logger = ctx.Logger()
	if len(w.Only) == 0 && w.Penalty == nil {
		return errors.New("telegram_webhook: has neither only nor penalty, and so would drop nothing; give it one of them, or take it out")
	}
	if w.only, err = source.Parse(w.Only...); err != nil {
		return fmt.Errorf("telegram_webhook: only: %w", err)
	}
	if w.Penalty != nil {
		if err := w.Penalty.complete(); err != nil {
			return fmt.Errorf("telegram_webhook: penalty: %w", err)
		}
	}
	server, _ := ctx.Value(caddyhttp.ServerCtxKey).(*caddyhttp.Server)
	if server != nil {
		if err := checkOrder(server); err != nil {
			return fmt.Errorf("telegram_webhook: %w", err)
		}
		if servesHTTP3(server) {
			w.logger.Warn("HTTP/3 connections bypass the listener wrapper",
				zap.Strings("listen", server.Listen),
				zap.String("remedy", `add "protocols h1 h2" to the servers options`))
		}
	}
	if err := metrics.RegisterListener(ctx.GetMetricsRegistry(), reasons, penalized); err != nil {
		return fmt.Errorf("registering metrics: %w", err)
	}
	w.droppedLog = boundedlog.New(w.logger, zap.WarnLevel, "connection dropped", noField, reasons...)
	w.barredLog = boundedlog.New(w.logger, zap.WarnLevel, "address barred for forging", noField, "forged")
	if server != nil {
		w.server = server
		wrappers.Store(server, w)
	}
	return nil
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

// noField is for logs whose entries are about no webhook.
func noField() zap.Field { return zap.Skip() }

// Refused takes note of a request that was refused. hadSecret says whether the
// request had the secret header. It reports whether the address of the connection
// may not connect any more, so that this connection is to be closed too.
func (w *Wrapper) Refused(r *http.Request, hadSecret bool) bool {
	// An HTTP/3 connection has not passed the wrapper, and its address may be forged.
	if w == nil || w.Penalty == nil || r.ProtoMajor > 2 {
		return false
	}
	addr, ok := parseAddr(r.RemoteAddr)
	if !ok || source.TrustedProxy(r) || source.TelegramAddr(addr) {
		return false
	}
	from, now := rangeOf(addr), time.Now()
	if isForgery(r, hadSecret) && penalties.addForgery(from, *w.Penalty, now) {
		w.barredLog.Add(0, func() []zap.Field {
			return []zap.Field{zap.Stringer("range", from), zap.Duration("for", time.Duration(w.Penalty.Duration))}
		})
	}
	return penalties.isBarred(from, now)
}

// Passed takes note of a genuine update.
func (w *Wrapper) Passed(r *http.Request) {
	if w == nil || w.Penalty == nil {
		return
	}
	if addr, ok := parseAddr(r.RemoteAddr); ok && !source.TelegramAddr(addr) {
		penalties.addGenuine(rangeOf(addr), time.Now())
	}
}

// Status returns what the wrappers of this process have done, or nil for a server
// without one.
func (w *Wrapper) Status() *status.Listener {
	if w == nil {
		return nil
	}
	return &status.Listener{Penalized: penalized(), Dropped: metrics.DroppedBy(reasons)}
}

func penalized() int { return penalties.countBarred(time.Now()) }

// Cleanup removes the wrapper from its server and writes what the logs have held back.
func (w *Wrapper) Cleanup() error {
	if w.server != nil {
		wrappers.CompareAndDelete(w.server, w)
	}
	w.droppedLog.Close()
	w.barredLog.Close()
	return nil
}

// Interface guards
var (
	_ caddy.Provisioner     = (*Wrapper)(nil)
	_ caddy.CleanerUpper    = (*Wrapper)(nil)
	_ caddy.ListenerWrapper = (*Wrapper)(nil)
	_ caddyfile.Unmarshaler = (*Wrapper)(nil)
)
