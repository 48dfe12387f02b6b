// Package readahead has the proxy behind a gate read a short update to its end
// before it sends it on. Header and body then leave for the bot in one write,
// which is cheaper than two by a tenth of the whole request.
//
// A handler before the proxy cannot do it, since net/http writes at once only
// what it knows to be in memory, and the proxy wraps every body but those that
// it has read itself.
package readahead

import (
	"slices"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp/reverseproxy"

	"github.com/caddy-telegram/telegramwebhook/internal/withhold"
)

// Limit is how much of an update is read ahead: the rest of a longer one is
// passed on as it comes. Few updates have more than 4 KiB.
const Limit = 64 << 10

// Arrange sets the request buffers of all proxies of the server that only the
// gate leads to, unless the configuration sets them. What others may use stays
// as it is: a proxy that waits for the end of a request is not for everybody. It
// is to be called before the gate lets the first request through.
func Arrange(server *caddyhttp.Server, gate caddyhttp.MiddlewareHandler) {
	if server != nil {
		arrange(server.Routes, gate)
	}
}

// arrange looks for the gate among the routes and below them.
func arrange(routes caddyhttp.RouteList, gate caddyhttp.MiddlewareHandler) (found bool) {
	for i, route := range routes {
		if at := slices.Index(route.Handlers, gate); at >= 0 {
			buffer(route.Handlers[at+1:])
			if route.Group == "" && withhold.Always(route) {
				for _, after := range routes[i+1:] {
					buffer(after.Handlers)
				}
			}
			return true
		}
		for _, h := range route.Handlers {
			if sub, ok := h.(*caddyhttp.Subroute); ok && arrange(sub.Routes, gate) {
				return true
			}
		}
	}
	return false
}

// buffer sets the request buffers of the proxies among the handlers and below them.
func buffer(handlers []caddyhttp.MiddlewareHandler) {
	for _, h := range handlers {
		switch h := h.(type) {
		case *reverseproxy.Handler:
			if h.RequestBuffers == 0 {
				h.RequestBuffers = Limit
			}
		case *caddyhttp.Subroute:
			for _, route := range h.Routes {
				buffer(route.Handlers)
			}
		}
	}
}
