// Package redact keeps the value of the secret header out of Caddy's logs.
//
// The package is the only one that runs before Caddy's server. Caddy copies a request for its access log and its error
// log before any handler runs, so a handler that removes the header is too late. A Front therefore wraps the server:
// for the hosts that a gate serves, it replaces the header's value with Placeholder and keeps the value in the
// request's context, where the gate reads it. Every other handler on these hosts, and every log, sees Placeholder.
// Requests for other hosts pass unchanged.
//
// The package relies on two exports of Caddy and net/http: RegisterConnContext and the *http.Server in a connection's
// context. HTTP/3 bypasses a Front.
package redact

import (
	"context"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"go.uber.org/zap"

	"github.com/caddy-telegram/telegramwebhook/internal/site"
	"github.com/caddy-telegram/telegramwebhook/internal/telegram"
)

// Placeholder is the value that handlers and logs see in place of the secret.
const Placeholder = "REDACTED"

// Front redacts the secret header on the servers of one configuration.
type Front struct {
	http    *caddyhttp.App
	logger  *zap.Logger
	gates   map[*caddyhttp.Server]int // the number of gates on each server
	unknown func() map[*caddyhttp.Server]bool
	noGate  sync.Once
	pastOne sync.Once
}

// NewFront puts a Front before all servers of the configuration that is being provisioned.
func NewFront(app *caddyhttp.App, logger *zap.Logger) *Front {
	f := &Front{http: app, logger: logger, gates: make(map[*caddyhttp.Server]int)}
	f.unknown = sync.OnceValue(f.findUnknown)
	for _, server := range app.Servers {
		// Caddy creates the http.Server only when it starts. It is in the context of the first connection, before any
		// request reads the handler.
		var once sync.Once
		server.RegisterConnContext(func(ctx context.Context, _ net.Conn) context.Context {
			once.Do(func() {
				if s, ok := ctx.Value(http.ServerContextKey).(*http.Server); ok {
					s.Handler = &redactor{next: s.Handler, front: f, server: server}
				}
			})
			return ctx
		})
	}
	return f
}

// AddGate records one more handler of the server that reads the secret header. The handler calls it in its Provision.
func (f *Front) AddGate(server *caddyhttp.Server) { f.gates[server]++ }

// findUnknown returns the servers with a gate that is not among their routes. The routes are complete only when the
// first request arrives.
func (f *Front) findUnknown() map[*caddyhttp.Server]bool {
	unknown := make(map[*caddyhttp.Server]bool)
	for _, server := range f.http.Servers {
		unknown[server] = len(site.Find(map[string]*caddyhttp.Server{"": server})) < f.gates[server]
	}
	return unknown
}

// place is where requests for a host come to.
type place int

const (
	untouched  place = iota // to no gate
	gated                   // to a gate of this server, if the rest of the request fits
	redirected              // to Caddy's redirect to HTTPS, for a host with a gate on another server
)

// placeOf returns the place of a host on a server. A gate in an unknown place counts for every host.
func (f *Front) placeOf(server *caddyhttp.Server, host *http.Request, others map[string]*caddyhttp.Server) place {
	if f.unknown()[server] {
		return gated
	}
	return f.follow(server, server.Routes, host, others)
}

// follow follows the routes in their order, as Caddy does.
func (f *Front) follow(own *caddyhttp.Server, routes caddyhttp.RouteList, host *http.Request, others map[string]*caddyhttp.Server) place {
	for _, route := range routes {
		redirect, placeholder, onlyHosts := false, false, true
		for _, set := range route.MatcherSets {
			for _, m := range set {
				switch m := m.(type) {
				case caddyhttp.MatchProtocol: // by value: only automatic HTTPS makes such a route
					redirect = true
				case *caddyhttp.MatchHost:
					placeholder = placeholder || slices.ContainsFunc(*m, func(host string) bool { return strings.Contains(host, "{") })
				default:
					onlyHosts = false
				}
			}
		}
		if redirect {
			for _, other := range others {
				if other != own && f.placeOf(other, host, nil) != untouched {
					return redirected
				}
			}
			continue
		}
		if !placeholder && !site.Admits(route, host) {
			continue
		}
		for _, handler := range route.Handlers {
			switch handler := handler.(type) {
			case site.Gate:
				return gated
			case *caddyhttp.Subroute:
				if place := f.follow(own, handler.Routes, host, others); place != untouched {
					return place
				}
			}
		}
		if route.Terminal && route.Group == "" && onlyHosts && !placeholder { // no request for the host goes on
			return untouched
		}
	}
	return untouched
}

// redactor wraps the handler of one server.
type redactor struct {
	next   http.Handler
	front  *Front
	server *caddyhttp.Server
}

func (d *redactor) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	values, ok := r.Header[telegram.SecretHeader]
	if !ok {
		d.next.ServeHTTP(w, r)
		return
	}
	place := d.front.placeOf(d.server, site.ForHost(r.Host), d.front.http.Servers)
	if place == untouched {
		d.next.ServeHTTP(w, r)
		return
	}
	taken := &taken{values: values}
	r.Header[telegram.SecretHeader] = []string{Placeholder}
	if place == gated {
		defer d.front.reportUnread(taken, r.Host, r.URL.Path)
	}
	d.next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), contextKey{}, taken)))
}

// taken holds the header values that were removed from a request.
type taken struct {
	values []string
	read   atomic.Bool // whether a gate has read the values
}

type contextKey struct{}

// State describes the secret header of a request that reaches a gate.
type State int

const (
	// Redacted is the usual state: the logs do not contain the value.
	Redacted State = iota
	// Exposed means that the request bypassed the Front, so that Caddy's logs contain the value.
	Exposed
	// Lost means that only Placeholder arrived: a hop before this Caddy, or another Caddy with a gate for the same
	// host, has replaced the value.
	Lost
)

// Values returns the values of the request's secret header. Only a gate may call it.
func Values(r *http.Request) ([]string, State) {
	values, state := r.Header[telegram.SecretHeader], Exposed
	if t, ok := r.Context().Value(contextKey{}).(*taken); ok {
		t.read.Store(true)
		if isPlaceholder(values) {
			values, state = t.values, Redacted
		}
	}
	switch {
	case len(values) == 0:
		return nil, Redacted
	case isPlaceholder(values):
		return nil, Lost
	}
	return values, state
}

func isPlaceholder(values []string) bool { return len(values) == 1 && values[0] == Placeholder }

// reportUnread logs, once for a configuration, that a secret for a host with a gate reached no gate.
func (f *Front) reportUnread(t *taken, host, path string) {
	if t.read.Load() {
		return
	}
	f.noGate.Do(func() {
		f.logger.Warn("secret header reached no telegram_webhook handler",
			zap.String("host", host), zap.String("path", telegram.HideTokens(path)),
			zap.String("remedy", "the handlers of this host see the value REDACTED; if another handler needs it, give telegram_webhook a host of its own"))
	})
}

// ReportExposed logs, once for a configuration, that a request reached a gate with the value still in its header.
func (f *Front) ReportExposed(r *http.Request) {
	f.pastOne.Do(func() {
		f.logger.Warn("secret header not redacted before Caddy's logs",
			zap.String("proto", r.Proto), zap.String("host", r.Host),
			zap.String("remedy", `turn HTTP/3 off for this server with the line "protocols h1 h2" in its global options`))
	})
}
