// Package site finds where in a server's routes a handler stands, which is the
// webhook's public address.
package site

import (
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

// Place is where a handler stands: the hosts and paths that lead to it, as the
// matchers on the way name them. Either may be empty.
type Place struct {
	Hosts []string
	Paths []string
}

// Find looks for the handler in the server's routes. Routes below another
// handler than a subroute are not seen.
func Find(server *caddyhttp.Server, handler caddyhttp.MiddlewareHandler) (Place, bool) {
	return find(server.Routes, handler, Place{})
}

func find(routes caddyhttp.RouteList, handler caddyhttp.MiddlewareHandler, at Place) (Place, bool) {
	for _, route := range routes {
		place := narrow(at, route.MatcherSets)
		for _, h := range route.Handlers {
			if h == handler {
				return place, true
			}
			if sub, ok := h.(*caddyhttp.Subroute); ok {
				if found, ok := find(sub.Routes, handler, place); ok {
					return found, true
				}
			}
		}
	}
	return Place{}, false
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

// String names the place by its first host and path.
func (p Place) String() string {
	s := ""
	if len(p.Hosts) > 0 {
		s = p.Hosts[0]
	}
	if len(p.Paths) > 0 {
		s += p.Paths[0]
	}
	return s
}
