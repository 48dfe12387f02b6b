// Package behind sets up the proxies that only a gate leads to for what Telegram
// sends: short bodies, on as many connections as it opens.
//
// They read a short update to its end before they send it on. Header and body then
// leave for the bot in one write, which is cheaper than two by a tenth of the
// whole request. A handler before the proxy cannot do it, since net/http writes at
// once only what it knows to be in memory, and the proxy wraps every body but those
// that it has read itself.
//
// And they keep as many idle connections to the bot as Telegram may open to Caddy.
// With fewer, a busy bot is connected to anew again and again, which costs as much.
package behind

import (
	"slices"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp/reverseproxy"

	"github.com/caddy-telegram/telegramwebhook/internal/withhold"
)

// Limit is how much of an update is read ahead: the rest of a longer one is
// passed on as it comes. Few updates have more than 4 KiB.
const Limit = 64 << 10

// defaultIdle is how many idle connections Caddy keeps to an upstream.
const defaultIdle = 32

// Arrange sets up all proxies of the server that only the gate leads to, where the
// configuration leaves them at Caddy's defaults, for so many connections. What
// others may use stays as it is: a proxy that waits for the end of a request is not
// for everybody. It is to be called before the gate lets the first request through:
// nothing else has used these proxies then.
func Arrange(server *caddyhttp.Server, gate caddyhttp.MiddlewareHandler, connections int) {
	if server == nil {
		return
	}
	arrange(server.Routes, gate, func(p *reverseproxy.Handler) {
		if p.RequestBuffers == 0 {
			p.RequestBuffers = Limit
		}
		keepIdle(p, connections)
	})
}

// arrange looks for the gate among the routes and below them.
func arrange(routes caddyhttp.RouteList, gate caddyhttp.MiddlewareHandler, set func(*reverseproxy.Handler)) (found bool) {
	for i, route := range routes {
		if at := slices.Index(route.Handlers, gate); at >= 0 {
			proxies(route.Handlers[at+1:], set)
			if route.Group == "" && withhold.Always(route) {
				for _, after := range routes[i+1:] {
					proxies(after.Handlers, set)
				}
			}
			return true
		}
		for _, h := range route.Handlers {
			if sub, ok := h.(*caddyhttp.Subroute); ok && arrange(sub.Routes, gate, set) {
				return true
			}
		}
	}
	return false
}

// proxies finds the proxies among the handlers and below them.
func proxies(handlers []caddyhttp.MiddlewareHandler, set func(*reverseproxy.Handler)) {
	for _, h := range handlers {
		switch h := h.(type) {
		case *reverseproxy.Handler:
			set(h)
		case *caddyhttp.Subroute:
			for _, route := range h.Routes {
				proxies(route.Handlers, set)
			}
		}
	}
}

// keepIdle raises how many idle connections the proxy keeps. One with active health
// checks is left alone: these use its transport already.
func keepIdle(p *reverseproxy.Handler, connections int) {
	transport, ok := p.Transport.(*reverseproxy.HTTPTransport)
	if !ok || p.HealthChecks != nil && p.HealthChecks.Active != nil {
		return
	}
	if t := transport.Transport; t.MaxIdleConnsPerHost == defaultIdle && connections > defaultIdle {
		t.MaxIdleConnsPerHost = connections
	}
}
