// Package site finds where in a server's routes handlers stand, which is the
// webhooks' public address.
package site

import (
	"slices"
	"sync/atomic"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp/caddyauth"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp/reverseproxy"

	"github.com/caddy-telegram/telegramwebhook/internal/botapi"
)

// Place is where a handler stands: the hosts and paths that lead to it, as the
// matchers on the way name them. Either may be empty.
type Place struct {
	Hosts []string
	Paths []string

	// InFront is the handlers that answer requests before they reach this one, such
	// as basic_auth: Telegram's updates do not pass them.
	InFront []caddyhttp.MiddlewareHandler
}

// Walk tells of every handler in the server's routes where it stands. What is
// below another handler than a subroute is not seen.
func Walk(server *caddyhttp.Server, found func(caddyhttp.MiddlewareHandler, Place)) {
	walk(server.Routes, Place{}, found)
}

func walk(routes caddyhttp.RouteList, at Place, found func(caddyhttp.MiddlewareHandler, Place)) (inFront []caddyhttp.MiddlewareHandler) {
	inFront = at.InFront
	for _, route := range routes {
		place := narrow(at, route.MatcherSets)
		place.InFront = inFront
		for _, h := range route.Handlers {
			found(h, place)
			switch h := h.(type) {
			case *caddyhttp.Subroute:
				place.InFront = walk(h.Routes, place, found)
			case *caddyauth.Authentication, *reverseproxy.Handler, *caddyhttp.StaticResponse:
				place.InFront = append(slices.Clip(place.InFront), h)
			}
		}
		if len(route.MatcherSets) == 0 && route.Group == "" {
			inFront = place.InFront // every request comes through this route
		}
	}
	return inFront
}

// narrow is the place behind a route's matchers: an inner host or path matcher
// is the more exact one.
func narrow(at Place, sets caddyhttp.MatcherSets) Place {
	var hosts, paths []string
	for _, set := range sets {
		for _, m := range set {
			switch m := m.(type) {
			case *caddyhttp.MatchHost:
				hosts = append(hosts, *m...)
			case *caddyhttp.MatchPath:
				paths = append(paths, *m...)
			case caddyhttp.MatchHost:
				hosts = append(hosts, m...)
			case caddyhttp.MatchPath:
				paths = append(paths, m...)
			}
		}
	}
	if len(hosts) > 0 {
		at.Hosts = hosts
	}
	if len(paths) > 0 {
		at.Paths = paths
	}
	return at
}

// Spot is where a handler stands, once somebody has looked.
type Spot struct{ found atomic.Pointer[Place] }

// Stander is a handler that has a spot.
type Stander interface {
	caddyhttp.MiddlewareHandler
	Spot() *Spot
}

// Place is the place of the handler whose spot it is. Whoever asks first finds out
// for all handlers of the server: if each looked for itself, a load would take the
// square of their number.
func (s *Spot) Place(server *caddyhttp.Server) Place {
	if server != nil && s.found.Load() == nil {
		Walk(server, func(handler caddyhttp.MiddlewareHandler, at Place) {
			if stander, ok := handler.(Stander); ok {
				stander.Spot().found.CompareAndSwap(nil, &at)
			}
		})
	}
	s.found.CompareAndSwap(nil, new(Place)) // below a handler that hides it
	return *s.found.Load()
}

// String names the place by its first host and path, without a bot token.
func (p Place) String() string {
	s := ""
	if len(p.Hosts) > 0 {
		s = p.Hosts[0]
	}
	if len(p.Paths) > 0 {
		s += p.Paths[0]
	}
	return botapi.HideTokens(s)
}
