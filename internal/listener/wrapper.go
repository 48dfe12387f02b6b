// Package listener is the listener wrapper telegram_webhook. It drops connections before
// their TLS handshake, which is most of the cost of a forgery.
//
//   - wrapper.go: the settings, the reports from the handler, and the position among other wrappers
//   - caddyfile.go: the Caddyfile syntax
//   - conn.go: the check of each connection
//   - penalties.go: the addresses that may not connect
package listener

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"go.uber.org/zap"

	"github.com/caddy-telegram/telegramwebhook/internal/boundedlog"
	"github.com/caddy-telegram/telegramwebhook/internal/clientip"
	"github.com/caddy-telegram/telegramwebhook/internal/metrics"
	"github.com/caddy-telegram/telegramwebhook/internal/status"
)

func init() { caddy.RegisterModule(new(Wrapper)) }

// Wrapper is a listener wrapper that drops connections before their TLS handshake: those from addresses that may not
// send updates at all, and those from addresses that keep forging. It does not cut open connections. Place it before
// the tls wrapper, and after proxy_protocol. It checks the peer of the connection, never a header: behind an HTTP proxy
// it sees only the proxy.
//
// HTTP/3 bypasses listener wrappers. Turn it off with "protocols h1 h2"; Telegram never uses HTTP/3.
type Wrapper struct {
	// The only addresses that may connect: "telegram" for the ranges that Telegram publishes, CIDR ranges, or
	// addresses. Use it for a port that serves only the bot. Certificate authorities cannot connect either: on port
	// 443, the TLS-ALPN-01 challenge fails, while HTTP-01 on port 80 still works. Default: any address.
	Only []string `json:"only,omitempty"`

	// The rule that bars an address for a while. Default: no address is barred.
	Penalty *Penalty `json:"penalty,omitempty"`

	only       clientip.Ranges
	droppedLog *boundedlog.Log
	barredLog  *boundedlog.Log
	server     *caddyhttp.Server
	penalties  *Penalties
}

// Penalty bars addresses that keep sending forgeries: requests with a wrong secret header, or POST requests of JSON
// without one. It never bars Telegram's ranges, the server's trusted proxies, or an address that has delivered a
// genuine update within the last hour. For IPv6, it applies to the /64. Penalties survive a reload, but not a restart.
type Penalty struct {
	// The number of forgeries within the window that leads to a penalty. Default: 20.
	Count int `json:"count,omitempty"`

	// The time in which forgeries are counted. Default: 1m.
	Window caddy.Duration `json:"window,omitempty"`

	// The time for which new connections are dropped. Default: 10m.
	Duration caddy.Duration `json:"duration,omitempty"`
}

// CaddyModule returns the Caddy module information.
func (*Wrapper) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{
		ID:  "caddy.listeners.telegram_webhook",
		New: func() caddy.Module { return new(Wrapper) },
	}
}

// Provision checks the settings and adds the wrapper to the app telegram_webhook.
func (w *Wrapper) Provision(ctx caddy.Context) (err error) {
	logger := ctx.Logger()
	if len(w.Only) == 0 && w.Penalty == nil {
		return errors.New("has neither only nor penalty, and so would drop nothing; give it one of them, or take it out")
	}
	if w.only, err = clientip.Parse(w.Only...); err != nil {
		return fmt.Errorf("only: %w", err)
	}
	if w.Penalty != nil {
		if err := w.Penalty.complete(); err != nil {
			return fmt.Errorf("penalty: %w", err)
		}
	}
	w.server, _ = ctx.Value(caddyhttp.ServerCtxKey).(*caddyhttp.Server)
	if w.server == nil {
		return errors.New("works only as a listener wrapper of an HTTP server")
	}
	if err := checkOrder(w.server); err != nil {
		return err
	}
	if servesHTTP3(w.server) {
		logger.Warn("HTTP/3 connections bypass the listener wrapper",
			zap.Strings("listen", w.server.Listen),
			zap.String("remedy", `add "protocols h1 h2" to the servers options`))
	}
	app, err := ctx.App("telegram_webhook")
	if err != nil {
		return err
	}
	w.penalties = app.(interface {
		AddWrapper(*caddyhttp.Server, *Wrapper) *Penalties
	}).AddWrapper(w.server, w)
	for _, reason := range reasons {
		metrics.Dropped.WithLabelValues(reason) // exported from the start
	}
	w.droppedLog = boundedlog.New(logger, zap.WarnLevel, "connection dropped", zap.Skip, reasons...)
	w.barredLog = boundedlog.New(logger, zap.WarnLevel, "address barred for forging", zap.Skip, "forged")
	return nil
}

func (p *Penalty) complete() error {
	const least, most = caddy.Duration(time.Second), caddy.Duration(24 * time.Hour)
	p.Count = cmp.Or(p.Count, 20)
	p.Window = cmp.Or(p.Window, caddy.Duration(time.Minute))
	p.Duration = cmp.Or(p.Duration, caddy.Duration(10*time.Minute))
	switch {
	case p.Count < 1:
		return errors.New("count: is negative")
	case p.Window < least || p.Window > most:
		return errors.New("window: is not from 1s to 24h")
	case p.Duration < least || p.Duration > most:
		return errors.New("duration: is not from 1s to 24h")
	}
	return nil
}

// Refused records a refused request, as a forgery if forged is true. It reports whether the address of the connection
// may not connect any more; the caller then closes this connection too.
func (w *Wrapper) Refused(r *http.Request, forged bool) bool {
	// An HTTP/3 connection bypasses the wrapper, and its address may be forged.
	if w == nil || w.Penalty == nil || r.ProtoMajor > 2 {
		return false
	}
	addr, ok := parseAddr(r.RemoteAddr)
	if !ok || clientip.TrustedProxy(r) || clientip.Telegram.ContainsAddr(addr) {
		return false
	}
	from := rangeOf(addr)
	if forged && w.penalties.addForgery(from, *w.Penalty) {
		w.barredLog.Add(0, func() []zap.Field {
			return []zap.Field{zap.Stringer("range", from), zap.Duration("for", time.Duration(w.Penalty.Duration))}
		})
	}
	return w.penalties.isBarred(from)
}

// Passed records a genuine update.
func (w *Wrapper) Passed(r *http.Request) {
	if w == nil || w.Penalty == nil {
		return
	}
	if addr, ok := parseAddr(r.RemoteAddr); ok && !clientip.Telegram.ContainsAddr(addr) {
		w.penalties.addGenuine(rangeOf(addr))
	}
}

// Status returns the state of the wrappers of this process.
func (w *Wrapper) Status() *status.Listener {
	dropped := make(map[string]uint64, len(reasons))
	for _, reason := range reasons {
		dropped[reason] = metrics.Value(metrics.Dropped.WithLabelValues(reason))
	}
	return &status.Listener{Penalized: w.penalties.CountBarred(), Dropped: dropped}
}

// Cleanup writes the pending summaries of the logs.
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

const name = "telegram_webhook"

// checkOrder checks the position of the wrapper among the wrappers of its server, which
// run in the order of the configuration. Caddy has set TLSConnPolicies by now if the
// server uses TLS, and runs TLS first if no wrapper is named tls.
func checkOrder(server *caddyhttp.Server) error {
	var names []string
	for _, raw := range server.ListenerWrappersRaw {
		var w struct {
			Name string `json:"wrapper"`
		}
		if err := json.Unmarshal(raw, &w); err != nil {
			return fmt.Errorf("listener_wrappers: %w", err)
		}
		names = append(names, w.Name)
	}
	after := names[slices.Index(names, name)+1:]
	tls := len(server.TLSConnPolicies) > 0
	switch {
	case slices.Contains(after, name):
		return errors.New("is among the listener_wrappers twice")
	case slices.Contains(after, "proxy_protocol"):
		return errors.New("must come after proxy_protocol, or it would judge the proxy instead of the client; the order of listener_wrappers is: proxy_protocol, telegram_webhook, tls")
	case tls && !slices.Contains(after, "tls"):
		return errors.New("must be followed by tls, or it would drop connections only after their TLS handshake; the order of listener_wrappers is: telegram_webhook, tls")
	}
	return nil
}

// servesHTTP3 reports whether the server also serves HTTP/3. Caddy has filled in the protocols by now.
func servesHTTP3(server *caddyhttp.Server) bool {
	for i := range server.Listen {
		protocols := server.Protocols
		if server.ListenProtocols != nil && server.ListenProtocols[i] != nil {
			protocols = server.ListenProtocols[i]
		}
		if slices.Contains(protocols, "h3") {
			return len(server.TLSConnPolicies) > 0
		}
	}
	return false
}
