package withhold

import (
	"net/http"
	"slices"
	"sync"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp/rewrite"

	"github.com/caddy-telegram/telegramwebhook/internal/secret"
)

// giver is a matcher that matches always, and gives the values back. It is the
// first of every set, so that whatever comes after it sees them.
type giver struct {
	once  sync.Once
	inner func() // puts givers into the inner routes, which are known only by then
	gates gates  // known by then too
}

// complete has the inner routes their givers, once.
func (g *giver) complete() {
	if g.inner != nil {
		g.once.Do(g.inner)
	}
}

// MatchWithError satisfies caddyhttp.RequestMatcherWithError.
func (g *giver) MatchWithError(r *http.Request) (bool, error) {
	g.complete() // over TCP, the first connection has seen to that
	if _, ok := r.Header[secret.Header]; ok {
		if c := taken(r); c != nil {
			c.give(r)
		}
	}
	return true, nil
}

// hider is a matcher that matches always, and takes the values out again if its
// route rewrites the request. It is the last of every set.
type hider struct{ rewrites bool }

// MatchWithError satisfies caddyhttp.RequestMatcherWithError.
func (h *hider) MatchWithError(r *http.Request) (bool, error) {
	if h.rewrites {
		if _, ok := r.Header[secret.Header]; ok {
			if c := taken(r); c != nil {
				c.hide(r)
			}
		}
	}
	return true, nil
}

// Complete ends what From has begun with a server. What reads its routes while
// requests may come must call it before.
func Complete(server *caddyhttp.Server) {
	if server == nil {
		return
	}
	for _, route := range server.Routes {
		if len(route.MatcherSets) > 0 && hasGiver(route.MatcherSets[0]) {
			route.MatcherSets[0][0].(*giver).complete()
			return
		}
	}
}

// prepare puts givers into the routes of a server that is about to be compiled,
// or has been. It reports whether all that may ask for the header is reached by
// one: of compiled routes, those without matchers cannot be changed any more.
func prepare(server *caddyhttp.Server) (g *giver, ok bool) {
	g = new(giver)
	if compiled(server.Routes) {
		g.inner = func() {
			surroundNamed(server, g)
			g.gates = findGates(server)
		}
		ok = surround(server.Routes, true, g)
		return g, surroundErrors(server, g) && ok
	}
	var hiders []*hider
	for i := range server.Routes {
		h := new(hider)
		hiders = append(hiders, h)
		enclose(&server.Routes[i], g, h)
	}
	// The first connection finds the routes complete, and waits until the inner
	// ones have their givers.
	g.inner = func() {
		for i, route := range server.Routes {
			hiders[i].rewrites = rewrites(route)
			surroundInner(route.Handlers, g)
		}
		surroundErrors(server, g)
		surroundNamed(server, g)
		g.gates = findGates(server)
	}
	return g, true
}

// surroundErrors does it for the routes that errors take.
func surroundErrors(server *caddyhttp.Server, g *giver) (ok bool) {
	return server.Errors == nil || surround(server.Errors.Routes, true, g)
}

// surroundNamed does it for the routes that are invoked by name, and so compiled
// anew for every request.
func surroundNamed(server *caddyhttp.Server, g *giver) {
	for _, route := range server.NamedRoutes {
		enclose(route, g, &hider{rewrites: rewrites(*route)})
		surroundInner(route.Handlers, g)
	}
}

// compiled reports whether a server's routes are complete. Until then at least
// one, that whose handler is being provisioned, has none.
func compiled(routes caddyhttp.RouteList) bool {
	return !slices.ContainsFunc(routes, func(r caddyhttp.Route) bool { return len(r.Handlers) == 0 })
}

// prepared reports whether From has already been here.
func prepared(routes caddyhttp.RouteList) bool {
	return slices.ContainsFunc(routes, func(r caddyhttp.Route) bool {
		return len(r.MatcherSets) > 0 && hasGiver(r.MatcherSets[0])
	})
}

func hasGiver(set caddyhttp.MatcherSet) bool {
	if len(set) == 0 {
		return false
	}
	_, ok := set[0].(*giver)
	return ok
}

// surround puts givers and hiders into complete routes and all below them. It
// reports whether every handler is behind a giver that may ask for the header:
// of compiled routes only the elements of their sets can still be changed.
func surround(routes caddyhttp.RouteList, compiled bool, g *giver) (ok bool) {
	ok = true
	for i := range routes {
		route := &routes[i]
		if len(route.MatcherSets) > 0 || !compiled {
			enclose(route, g, &hider{rewrites: rewrites(*route)})
		} else if slices.ContainsFunc(route.Handlers, asks) {
			ok = false
		}
		surroundInner(route.Handlers, g)
	}
	return ok
}

// surroundInner does it for what is below a route. Subroutes are compiled anew
// for every request, and so can be changed freely until the first.
func surroundInner(handlers []caddyhttp.MiddlewareHandler, g *giver) {
	for _, h := range handlers {
		sub, ok := h.(*caddyhttp.Subroute)
		if !ok {
			continue
		}
		surround(sub.Routes, false, g)
		if sub.Errors != nil {
			surround(sub.Errors.Routes, false, g)
		}
	}
}

// enclose makes g the first and h the last matcher of each of the route's sets.
func enclose(route *caddyhttp.Route, g *giver, h *hider) {
	if len(route.MatcherSets) == 0 {
		route.MatcherSets = caddyhttp.MatcherSets{nil}
	}
	for i, set := range route.MatcherSets {
		if !hasGiver(set) {
			route.MatcherSets[i] = slices.Concat(caddyhttp.MatcherSet{g}, set, caddyhttp.MatcherSet{h})
		}
	}
}

// rewrites reports whether the route's handlers rewrite the request, which
// writes it to the log at level DEBUG. If others beside them may ask for the
// header, such as the proxy of a bot that checks it by itself, they keep it.
func rewrites(route caddyhttp.Route) bool {
	return slices.ContainsFunc(route.Handlers, is[*rewrite.Rewrite]) &&
		(slices.ContainsFunc(route.Handlers, gate) || !slices.ContainsFunc(route.Handlers, asks))
}

// asks reports whether a handler may ask for the header where it stands.
// Subroutes and named routes have givers of their own.
func asks(h caddyhttp.MiddlewareHandler) bool {
	switch h.(type) {
	case *rewrite.Rewrite, *caddyhttp.Subroute, *caddyhttp.Invoke, *caddyhttp.StaticResponse, caddyhttp.StaticResponse:
		return false
	}
	return !gate(h)
}

func is[T any](h caddyhttp.MiddlewareHandler) bool {
	_, ok := h.(T)
	return ok
}

// gate reports whether h is a telegram_webhook, which knows where to look for
// the values.
func gate(h caddyhttp.MiddlewareHandler) bool {
	_, ok := h.(Gate)
	return ok
}

// Interface guards
var (
	_ caddyhttp.RequestMatcherWithError = (*giver)(nil)
	_ caddyhttp.RequestMatcherWithError = (*hider)(nil)
)
