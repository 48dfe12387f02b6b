// Package withhold keeps the secret header out of Caddy's logs.
//
// Caddy copies a request for its access log and its error log before any
// handler runs, so a handler that removes the header is too late. Package
// withhold is earlier: a taker takes the header's value out of the request
// before Caddy sees it, and givers among the matchers of the routes give it
// back after the copy. Every log entry of the server then has Placeholder in the
// value's place, in whatever format and under whatever name the site logs, and
// every handler of the server sees the request as it came: all but rewrites,
// which log the request that they are given and so are not given the value.
//
//   - withhold.go: taking and giving back
//   - routes.go: where in the routes that happens
//   - early.go: a gate that refuses a request where a taker sees it
//
// It rests on four things that net/http and Caddy export: the *http.Server in a
// connection's context, RegisterConnContext, a server's routes, and that the
// matchers of a route are asked in order before its handlers run.
package withhold

import (
	"context"
	"net"
	"net/http"
	"sync"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/caddy-telegram/telegramwebhook/internal/secret"
)

// Placeholder is what logs show in place of a secret.
const Placeholder = "REDACTED"

// From makes all servers of the configuration whose handler is being provisioned
// with ctx withhold the header: an update that is sent to the wrong one of them,
// such as the one that redirects to HTTPS, has a secret in it as well. It may be
// called again.
func From(ctx caddy.Context) {
	own, ok := ctx.Value(caddyhttp.ServerCtxKey).(*caddyhttp.Server)
	if !ok || prepared(own.Routes) {
		return
	}
	if app, ok := ctx.Modules()[0].(*caddyhttp.App); ok {
		for _, server := range app.Servers {
			if g, ok := prepare(server); ok {
				takeFrom(server, g)
			}
		}
	}
}

// takeFrom puts a taker before the server's own handler. Caddy makes its
// http.Server only when it starts; the first connection is the first to see it.
// No request reads the server's handler before its connection's context is made.
func takeFrom(server *caddyhttp.Server, g *giver) {
	var once sync.Once
	server.RegisterConnContext(func(ctx context.Context, _ net.Conn) context.Context {
		once.Do(func() {
			g.complete()
			if s, ok := ctx.Value(http.ServerContextKey).(*http.Server); ok && s.Handler != nil {
				s.Handler = taker{s.Handler, g.gates}
			}
		})
		return ctx
	})
}

// taker takes the header's values out of a request that its gate does not refuse.
type taker struct {
	next  http.Handler
	gates gates
}

func (t taker) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if gate := t.gates.of(r); gate != nil && gate.RefuseEarly(w, r) {
		return
	}
	if _, ok := r.Header[secret.Header]; ok {
		c := &withheld{Context: r.Context()}
		c.hide(r)
		// In place: net/http goes on with its own request, and must end one that
		// has the header in the same way as one that has not.
		*r = *r.WithContext(c)
	}
	t.next.ServeHTTP(w, r)
}

// withheld is a request's context with the values that were taken out of it.
type withheld struct {
	context.Context
	hidden      []string
	placeholder [1]string
}

// hide takes the values out of the request.
func (c *withheld) hide(r *http.Request) {
	if values := r.Header[secret.Header]; !c.hides(values) {
		c.hidden, c.placeholder[0] = values, Placeholder
		r.Header[secret.Header] = c.placeholder[:]
	}
}

// give gives them back, unless another handler has set the header since.
func (c *withheld) give(r *http.Request) {
	if c.hides(r.Header[secret.Header]) {
		r.Header[secret.Header] = c.hidden
	}
}

// hides reports whether values are the placeholder, and not one that was sent.
func (c *withheld) hides(values []string) bool {
	return len(values) == 1 && &values[0] == &c.placeholder[0]
}

type contextKey struct{}

func (c *withheld) Value(key any) any {
	if key == (contextKey{}) {
		return c
	}
	return c.Context.Value(key)
}

// taken returns what was taken out of the request; nil if nothing was. Requests
// over HTTP/3 do not pass a taker.
func taken(r *http.Request) *withheld {
	c, _ := r.Context().Value(contextKey{}).(*withheld)
	return c
}

// Done reports whether the header of r was withheld from the logs, or r has none.
func Done(r *http.Request) bool {
	_, ok := r.Header[secret.Header]
	return !ok || taken(r) != nil
}

// Values returns the header's values as they are, hidden or not.
func Values(r *http.Request) []string {
	values := r.Header[secret.Header]
	if len(values) == 1 && values[0] == Placeholder {
		if c := taken(r); c != nil && c.hides(values) {
			return c.hidden
		}
	}
	return values
}
