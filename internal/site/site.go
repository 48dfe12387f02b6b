// Package site finds the places of handlers in a server's routes. The place of a handler is its webhook's public
// address.
package site

import (
	"cmp"
	"context"
	"net/http"
	"slices"
	"strings"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp/caddyauth"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp/reverseproxy"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp/rewrite"

	"github.com/caddy-telegram/telegramwebhook/internal/telegram"
)

// Place is the place of a handler: the hosts and paths that lead to it, as the matchers on the way name them. Either
// may be empty.
type Place struct {
	Hosts []string
	Paths []string // as a client writes them, with a prefix that the routes strip

	prefix string // that was stripped so far

	// InFront are the handlers that answer requests before they reach this one, such as basic_auth: Telegram's updates
	// do not pass them.
	InFront []caddyhttp.MiddlewareHandler
}

// Gate marks the handlers whose places are looked for.
type Gate interface {
	caddyhttp.MiddlewareHandler
	Gate()
}

// Find returns the places of all gates in the servers' routes. A gate below another handler than a subroute is not
// found, and has no hosts and no paths.
func Find(servers map[string]*caddyhttp.Server) map[Gate]Place {
	places := make(map[Gate]Place)
	for _, server := range servers {
		addPlaces(places, server.Routes, Place{})
	}
	return places
}

// addPlaces adds the places of the gates in routes, and returns the handlers that stand in front of all that comes after.
func addPlaces(places map[Gate]Place, routes caddyhttp.RouteList, at Place) (inFront []caddyhttp.MiddlewareHandler) {
	for _, route := range routes {
		place := narrow(at, route.MatcherSets)
		for _, h := range route.Handlers {
			switch h := h.(type) {
			case Gate:
				if _, known := places[h]; !known {
					places[h] = place
				}
				place.InFront = append(slices.Clip(place.InFront), h)
			case *caddyhttp.Subroute:
				place.InFront = addPlaces(places, h.Routes, place)
			case *rewrite.Rewrite:
				place.prefix += h.StripPathPrefix
			case *caddyauth.Authentication, *reverseproxy.Handler, *caddyhttp.StaticResponse:
				place.InFront = append(slices.Clip(place.InFront), h)
			}
		}
		if len(route.MatcherSets) == 0 && route.Group == "" { // every request comes through this route
			at.prefix, at.InFront = place.prefix, place.InFront
		}
	}
	return at.InFront
}

// Current names the place of the handler that is being provisioned with ctx: host and path, or where the server
// listens. Caddy takes a route's raw handlers away once they are provisioned.
func Current(ctx caddy.Context) string {
	server, ok := ctx.Value(caddyhttp.ServerCtxKey).(*caddyhttp.Server)
	if !ok {
		return ""
	}
	lists, at := []caddyhttp.RouteList{server.Routes}, Place{}
	for _, module := range ctx.Modules() {
		if subroute, ok := module.(*caddyhttp.Subroute); ok {
			lists = append(lists, subroute.Routes)
		}
	}
	for _, routes := range lists {
		if i := slices.IndexFunc(routes, func(r caddyhttp.Route) bool { return len(r.HandlersRaw) > 0 }); i >= 0 {
			at = narrow(at, routes[i].MatcherSets)
		}
	}
	return cmp.Or(append([]string{at.String()}, server.Listen...)...)
}

// HasSite reports whether the server has a route for a host.
func HasSite(server *caddyhttp.Server, host string) bool {
	return slices.ContainsFunc(server.Routes, func(route caddyhttp.Route) bool { return Admits(route, ForHost(host)) })
}

// replacer is for the placeholders in host matchers; those of a request have no value.
var replacer = context.WithValue(context.Background(), caddy.ReplacerCtxKey, caddy.NewReplacer())

// ForHost returns a request for a host, for Admits.
func ForHost(host string) *http.Request { return (&http.Request{Host: host}).WithContext(replacer) }

// Admits reports whether the host matchers of a route let a request pass.
func Admits(route caddyhttp.Route, r *http.Request) bool {
	return len(route.MatcherSets) == 0 || slices.ContainsFunc(route.MatcherSets, func(set caddyhttp.MatcherSet) bool {
		return !slices.ContainsFunc(set, func(m any) bool {
			host, ok := m.(*caddyhttp.MatchHost)
			return ok && !host.Match(r)
		})
	})
}

// narrow is the place behind a route's matchers: an inner host or path matcher is the more exact one.
func narrow(at Place, sets caddyhttp.MatcherSets) Place {
	var hosts, paths []string
	for _, m := range slices.Concat(sets...) {
		switch m := m.(type) {
		case *caddyhttp.MatchHost:
			for _, host := range *m {
				if !slices.Contains(hosts, host) { // several matchers may name the same
					hosts = append(hosts, host)
				}
			}
		case *caddyhttp.MatchPath:
			for _, path := range *m {
				paths = append(paths, at.prefix+path)
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

// String names the place by its first host and path, without a bot token.
func (p Place) String() string {
	names := slices.Concat(p.Hosts[:min(1, len(p.Hosts))], p.Paths[:min(1, len(p.Paths))])
	return telegram.HideTokens(strings.Join(names, ""))
}
