// Package withhold keeps the secret header out of Caddy's logs.
//
// Caddy copies a request for its access log and its error log before any
// handler runs, so a handler that removes the header is too late. Package
// withhold is earlier: it takes the header's value out of the request before
// Caddy sees it, and gives it back right after the copy, before the first
// route of the server is tried. Every log entry of the server then has Placeholder
// in the value's place, in whatever format and under whatever name the site
// logs, and every handler of the server sees the request as it came.
//
// It rests on four things that net/http and Caddy export: the *http.Server in a
// connection's context, RegisterConnContext, a server's Routes, and that the
// first matcher of the first route is asked before anything else.
package withhold

import (
	"context"
	"net"
	"net/http"
	"slices"
	"sync"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/caddy-telegram/telegramwebhook/internal/secret"
)

// Placeholder is what logs show in place of a secret.
const Placeholder = "REDACTED"

// redirects is the name that Caddy gives to the server that it adds for
// redirecting plain HTTP. It inherits the site's access log and so would show
// the header of a request that was sent there by mistake.
const redirects = "remaining_auto_https_redirects"

// From makes the server whose handler is being provisioned with ctx, and the one
// that redirects to it, withhold the header. It may be called again.
func From(ctx caddy.Context) {
	server, ok := ctx.Value(caddyhttp.ServerCtxKey).(*caddyhttp.Server)
	if !ok {
		return
	}
	if provisioning(server) {
		prepare(server)
	}
	if app, ok := ctx.Modules()[0].(*caddyhttp.App); ok {
		if redirecting, ok := app.Servers[redirects]; ok {
			prepare(redirecting)
		}
	}
}

// provisioning reports whether the server's routes are still being provisioned.
// Named routes and error routes come after: by then the routes are compiled, and
// a giver would never be asked. Their requests are kept out of the access log.
func provisioning(server *caddyhttp.Server) bool {
	return slices.ContainsFunc(server.Routes, func(r caddyhttp.Route) bool { return len(r.Handlers) == 0 })
}

// prepare does it once for a server. The giver in its routes is the mark.
func prepare(server *caddyhttp.Server) {
	if len(server.Routes) > 0 && !prepared(server) {
		takeFrom(server)
		giveBackIn(server)
	}
}

// takeFrom puts a taker before the server's own handler. Caddy makes its
// http.Server only when it starts; the first connection is the first to see it.
// No request reads the server's handler before its connection's context is made.
func takeFrom(server *caddyhttp.Server) {
	var once sync.Once
	server.RegisterConnContext(func(ctx context.Context, _ net.Conn) context.Context {
		once.Do(func() {
			if s, ok := ctx.Value(http.ServerContextKey).(*http.Server); ok && s.Handler != nil {
				s.Handler = taker{s.Handler}
			}
		})
		return ctx
	})
}

// taker takes the header's values out of a request.
type taker struct{ next http.Handler }

func (t taker) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if values, ok := r.Header[secret.Header]; ok {
		r.Header[secret.Header] = []string{Placeholder}
		r = r.WithContext(&withheld{r.Context(), values})
	}
	t.next.ServeHTTP(w, r)
}

// withheld is a request's context with the values that were taken out of it.
type withheld struct {
	context.Context
	values []string
}

type contextKey struct{}

func (c *withheld) Value(key any) any {
	if key == (contextKey{}) {
		return c
	}
	return c.Context.Value(key)
}

// Done reports whether the header of r was withheld from the logs, or r has
// none. Requests over HTTP/3 do not pass a taker.
func Done(r *http.Request) bool {
	if _, ok := r.Header[secret.Header]; !ok {
		return true
	}
	_, ok := r.Context().Value(contextKey{}).(*withheld)
	return ok
}

// giver is a matcher that matches always, and gives the values back.
type giver struct{}

// MatchWithError satisfies caddyhttp.RequestMatcherWithError.
func (giver) MatchWithError(r *http.Request) (bool, error) {
	if _, ok := r.Header[secret.Header]; ok {
		if c, ok := r.Context().Value(contextKey{}).(*withheld); ok {
			r.Header[secret.Header] = c.values
		}
	}
	return true, nil
}

// giveBackIn makes a giver the first matcher that the server asks.
func giveBackIn(server *caddyhttp.Server) {
	sets := slices.Clone(server.Routes[0].MatcherSets)
	if len(sets) == 0 {
		sets = caddyhttp.MatcherSets{nil}
	}
	sets[0] = append(caddyhttp.MatcherSet{giver{}}, sets[0]...)
	server.Routes[0].MatcherSets = sets
}

func prepared(server *caddyhttp.Server) bool {
	sets := server.Routes[0].MatcherSets
	return len(sets) > 0 && len(sets[0]) > 0 && sets[0][0] == any(giver{})
}

// Interface guards
var _ caddyhttp.RequestMatcherWithError = giver{}
