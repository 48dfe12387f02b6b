package redact

import (
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"testing"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/caddy-telegram/telegramwebhook/internal/site"
	"github.com/caddy-telegram/telegramwebhook/internal/telegram"
)

type handler struct{}

func (handler) ServeHTTP(http.ResponseWriter, *http.Request, caddyhttp.Handler) error { return nil }

type gateHandler struct {
	handler
	_ int // or all would have one address
}

func (*gateHandler) Gate() {}

var gate, other = new(gateHandler), handler{}

func hostSet(names ...string) caddyhttp.MatcherSet {
	m := caddyhttp.MatchHost(names)
	return caddyhttp.MatcherSet{&m}
}

func route(h caddyhttp.MiddlewareHandler, sets ...caddyhttp.MatcherSet) caddyhttp.Route {
	return caddyhttp.Route{MatcherSets: sets, Handlers: []caddyhttp.MiddlewareHandler{h}, Terminal: true}
}

func below(routes ...caddyhttp.Route) *caddyhttp.Subroute { return &caddyhttp.Subroute{Routes: routes} }

// redirect is a route as automatic HTTPS makes it.
func redirect(names ...string) caddyhttp.Route {
	set := caddyhttp.MatcherSet{caddyhttp.MatchProtocol("http")}
	if len(names) > 0 {
		set = append(set, caddyhttp.MatchHost(names))
	}
	return route(other, set)
}

func newFront(servers ...*caddyhttp.Server) *Front {
	app := &caddyhttp.App{Servers: make(map[string]*caddyhttp.Server)}
	for i, server := range servers {
		app.Servers[strconv.Itoa(i)] = server
	}
	return NewFront(app, nil)
}

// TestHosts says for which hosts of a server the header is redacted.
func TestHosts(t *testing.T) {
	path := caddyhttp.MatchPath{"/x"}
	for name, tc := range map[string]struct {
		routes []caddyhttp.Route
		want   map[string]place
	}{
		"a site of its own": {
			[]caddyhttp.Route{route(below(route(gate)), hostSet("A.example.com"))},
			map[string]place{"a.example.com": gated, "A.EXAMPLE.COM:443": gated, "b.example.com": untouched, "": untouched},
		},
		"beside another site": {
			[]caddyhttp.Route{route(below(route(gate)), hostSet("a.example.com")), route(below(route(other)), hostSet("b.example.com"))},
			map[string]place{"a.example.com": gated, "b.example.com": untouched},
		},
		"no host": {
			[]caddyhttp.Route{route(below(route(gate)))},
			map[string]place{"a.example.com": gated, "": gated, "[::1]:8443": gated},
		},
		"a more exact host without one": {
			[]caddyhttp.Route{route(other, hostSet("b.example.com")), route(other, hostSet("*.b.example.com")), route(gate, hostSet("*.example.com")), route(other)},
			map[string]place{"a.example.com": gated, "b.example.com": untouched, "a.b.example.com": untouched, "example.com": untouched},
		},
		"a less exact host without one": {
			[]caddyhttp.Route{route(gate, hostSet("a.example.com")), route(other, hostSet("*.example.com")), route(other)},
			map[string]place{"a.example.com": gated, "b.example.com": untouched},
		},
		"a gate before a more exact host": {
			[]caddyhttp.Route{route(gate), route(other, hostSet("b.example.com"))},
			map[string]place{"a.example.com": gated, "b.example.com": gated},
		},
		"a gate that no request of a host reaches": {
			[]caddyhttp.Route{route(other, hostSet("a.example.com")), route(gate, hostSet("a.example.com", "b.example.com"))},
			map[string]place{"a.example.com": untouched, "b.example.com": gated},
		},
		"a host below a wildcard": {
			[]caddyhttp.Route{route(below(route(below(route(gate)), hostSet("a.example.com")), route(other, hostSet("b.example.com"))), hostSet("*.example.com"))},
			map[string]place{"a.example.com": gated, "b.example.com": untouched},
		},
		"a path below a host": {
			[]caddyhttp.Route{route(below(route(gate, caddyhttp.MatcherSet{&path})), hostSet("a.example.com"))},
			map[string]place{"a.example.com": gated, "b.example.com": untouched},
		},
		"a host or anything": {
			[]caddyhttp.Route{route(gate, hostSet("a.example.com"), caddyhttp.MatcherSet{&path})},
			map[string]place{"a.example.com": gated, "b.example.com": gated},
		},
		"a path of a host before a wildcard": {
			[]caddyhttp.Route{route(other, append(hostSet("a.example.com"), &path)), route(gate, hostSet("*.example.com"))},
			map[string]place{"a.example.com": gated},
		},
		"a route that goes on": {
			[]caddyhttp.Route{{MatcherSets: caddyhttp.MatcherSets{hostSet("a.example.com")}, Handlers: []caddyhttp.MiddlewareHandler{other}}, route(gate)},
			map[string]place{"a.example.com": gated},
		},
		"a wider host below a narrower one": {
			[]caddyhttp.Route{
				route(other, append(hostSet("a.example.com"), &path)),
				route(below(route(gate, hostSet("*.example.com"))), hostSet("a.example.com")),
			},
			map[string]place{"a.example.com": gated},
		},
		"two wildcards as exact as each other": {
			[]caddyhttp.Route{route(gate, hostSet("a.*.com")), route(other, hostSet("*.example.com"))},
			map[string]place{"a.example.com": gated, "b.example.com": untouched, "a.b.com": gated},
		},
		"a placeholder": {
			[]caddyhttp.Route{route(gate, hostSet("{env.HOST}")), route(other, hostSet("b.example.com"))},
			map[string]place{"a.example.com": gated, "b.example.com": gated},
		},
		"a gate that is not found": {
			[]caddyhttp.Route{route(other, hostSet("b.example.com"))},
			map[string]place{"a.example.com": gated, "b.example.com": gated},
		},
		"a redirect to no gate": {
			[]caddyhttp.Route{route(gate, hostSet("a.example.com")), redirect("b.example.com"), redirect()},
			map[string]place{"a.example.com": gated, "b.example.com": untouched},
		},
	} {
		t.Run(name, func(t *testing.T) {
			server := &caddyhttp.Server{Routes: tc.routes}
			front := newFront(server)
			front.AddGate(server)
			for _, host := range slices.Sorted(maps.Keys(tc.want)) {
				if got := front.placeOf(server, site.ForHost(host), front.http.Servers); got != tc.want[host] {
					t.Errorf("%q: got %v, want %v", host, got, tc.want[host])
				}
			}
		})
	}
}

// TestRedirects has Caddy's redirects on a server of their own, and on one that has
// a site as well.
func TestRedirects(t *testing.T) {
	bot := &caddyhttp.Server{Routes: []caddyhttp.Route{
		route(below(route(gate)), hostSet("a.example.com")),
		route(below(route(gate), route(other)), hostSet("*.wild.example.com")),
		route(other, hostSet("b.example.com")),
	}}
	plain := &caddyhttp.Server{Routes: []caddyhttp.Route{
		route(other, hostSet("plain.example.com")),
		redirect("a.example.com", "b.example.com", "*.wild.example.com"), redirect(),
	}}
	front := newFront(bot, plain)
	for host, want := range map[string]place{
		"a.example.com": redirected, "x.wild.example.com:80": redirected,
		"b.example.com": untouched, "c.example.com": untouched, "plain.example.com": untouched, "": untouched,
	} {
		if got := front.placeOf(plain, site.ForHost(host), front.http.Servers); got != want {
			t.Errorf("%q: got %v, want %v", host, got, want)
		}
	}
	// The header is redacted on both servers. That it reaches no gate is news only where one is.
	core, logs := observer.New(zap.WarnLevel)
	front.logger = zap.New(core)
	for _, tc := range []struct {
		server *caddyhttp.Server
		logged int
	}{{plain, 0}, {bot, 1}} {
		r := httptest.NewRequest(http.MethodPost, "http://a.example.com/", nil)
		r.Header.Set(telegram.SecretHeader, "secret")
		next := http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			if got := r.Header.Get(telegram.SecretHeader); got != Placeholder {
				t.Errorf("the next handler sees %q", got)
			}
		})
		(&redactor{next, front, tc.server}).ServeHTTP(httptest.NewRecorder(), r)
		if n := logs.Len(); n != tc.logged {
			t.Errorf("%d entries, want %d", n, tc.logged)
		}
	}
	// A gate without a host, behind Caddy's redirects on its own server, which are for the sites of another.
	path := caddyhttp.MatchPath{"/bot"}
	own := &caddyhttp.Server{Routes: []caddyhttp.Route{redirect("b.example.com"), route(gate, caddyhttp.MatcherSet{&path}), redirect()}}
	front = newFront(own, &caddyhttp.Server{Routes: []caddyhttp.Route{route(other, hostSet("b.example.com"))}})
	front.AddGate(own)
	if got := front.placeOf(own, site.ForHost("a.example.com"), front.http.Servers); got != gated {
		t.Errorf("got %v, want that of the gate", got)
	}

	// A server without redirects asks no other.
	front = newFront(bot, plain)
	if got := front.placeOf(bot, site.ForHost("plain.example.com"), front.http.Servers); got != untouched {
		t.Errorf("got %v", got)
	}
}
