// Package listener is the listener wrapper telegram_webhook. It drops connections
// before their TLS handshake, which is most of what a forgery costs.
//
//   - wrapper.go: what can be set, and what the handler reports
//   - caddyfile.go: how it is written in a Caddyfile
//   - order.go: its place among other wrappers
//   - conn.go: which connections are dropped, and when
//   - forgery.go: which requests count toward a penalty
//   - penalties.go: which addresses may not connect
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
	"github.com/caddy-telegram/telegramwebhook/internal/clientip"
	"github.com/caddy-telegram/telegramwebhook/internal/metrics"
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
	only       clientip.Ranges
	droppedLog *boundedlog.Log
	barredLog  *boundedlog.Log
	server     *caddyhttp.Server
	penalties  *Penalties
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
	if w.only, err = clientip.Parse(w.Only...); err != nil {
		return fmt.Errorf("telegram_webhook: only: %w", err)
	}
	if w.Penalty != nil {
		if err := w.Penalty.complete(); err != nil {
			return fmt.Errorf("telegram_webhook: penalty: %w", err)
		}
	}
	server, ok := ctx.Value(caddyhttp.ServerCtxKey).(*caddyhttp.Server)
	if !ok {
		return errors.New("telegram_webhook: works only as a listener wrapper of an HTTP server")
	}
	if err := checkOrder(server); err != nil {
		return fmt.Errorf("telegram_webhook: %w", err)
	}
	if servesHTTP3(server) {
		w.logger.Warn("HTTP/3 connections bypass the listener wrapper",
			zap.Strings("listen", server.Listen),
			zap.String("remedy", `add "protocols h1 h2" to the servers options`))
	}
	app, err := ctx.App("telegram_webhook")
	if err != nil {
		return err
	}
	w.server, w.penalties = server, app.(interface {
		AddWrapper(*caddyhttp.Server, *Wrapper) *Penalties
	}).AddWrapper(server, w)
	for _, reason := range reasons {
		metrics.Dropped.WithLabelValues(reason) // shown from the start
	}
	w.droppedLog = boundedlog.New(w.logger, zap.WarnLevel, "connection dropped", noField, reasons...)
	w.barredLog = boundedlog.New(w.logger, zap.WarnLevel, "address barred for forging", noField, "forged")
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
	if !ok || clientip.TrustedProxy(r) || clientip.TelegramAddr(addr) {
		return false
	}
	from, now := rangeOf(addr), time.Now()
	if isForgery(r, hadSecret) && w.penalties.addForgery(from, *w.Penalty, now) {
		w.barredLog.Add(0, func() []zap.Field {
			return []zap.Field{zap.Stringer("range", from), zap.Duration("for", time.Duration(w.Penalty.Duration))}
		})
	}
	return w.penalties.isBarred(from, now)
}

// Passed takes note of a genuine update.
func (w *Wrapper) Passed(r *http.Request) {
	if w == nil || w.Penalty == nil {
		return
	}
	if addr, ok := parseAddr(r.RemoteAddr); ok && !clientip.TelegramAddr(addr) {
		w.penalties.addGenuine(rangeOf(addr), time.Now())
	}
}

// Status is what the wrappers of this process do.
type Status struct {
	// Penalized is how many addresses may not connect now because they have forged
	// too often.
	Penalized int `json:"penalized"`

	// Dropped counts the connections that were dropped since the process started:
	// penalty for those of such addresses, address for those that are not let in.
	Dropped map[string]uint64 `json:"dropped"`
}

// Status returns what the wrappers of this process have done, or nil for a server
// without one.
func (w *Wrapper) Status() *Status {
	if w == nil {
		return nil
	}
	dropped := make(map[string]uint64, len(reasons))
	for _, reason := range reasons {
		dropped[reason] = metrics.Value(metrics.Dropped.WithLabelValues(reason))
	}
	return &Status{Penalized: w.penalties.CountBarred(), Dropped: dropped}
}

// Cleanup writes what the logs have held back.
func (w *Wrapper) Cleanup() error {
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
