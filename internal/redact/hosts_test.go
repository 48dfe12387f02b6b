package redact

import (
	"maps"
	"net/http"
	"slices"
	"testing"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

type handler struct{}

func (handler) ServeHTTP(http.ResponseWriter, *http.Request, caddyhttp.Handler) error { return nil }

type gateHandler struct{ handler }

func (gateHandler) Gate() {}

var gate, other = gateHandler{}, handler{}

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
		"two routes of a host": {
			[]caddyhttp.Route{route(other, hostSet("a.example.com")), route(gate, hostSet("a.example.com"))},
			map[string]place{"a.example.com": gated},
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
			table := newHosts(tc.routes, 1)
			for _, host := range slices.Sorted(maps.Keys(tc.want)) {
				if got := table.of(host); got != tc.want[host] {
					t.Errorf("%q: got %d, want %d", host, got, tc.want[host])
				}
			}
		})
	}
}

// TestRedirects has Caddy's redirects on a server of their own, and on one that has
// a site as well.
func TestRedirects(t *testing.T) {
	bot := newHosts([]caddyhttp.Route{
		route(below(route(gate)), hostSet("a.example.com")),
		route(below(route(gate), route(other)), hostSet("*.wild.example.com")),
		route(other, hostSet("b.example.com")),
	}, 2)
	plain := newHosts([]caddyhttp.Route{
		route(other, hostSet("plain.example.com")),
		redirect("a.example.com", "b.example.com", "*.wild.example.com"), redirect(),
	}, 0)
	plain.others = []*hosts{bot}
	for host, want := range map[string]place{
		"a.example.com": redirected, "x.wild.example.com:80": redirected,
		"b.example.com": untouched, "c.example.com": untouched, "plain.example.com": untouched, "": untouched,
	} {
		if got := plain.of(host); got != want {
			t.Errorf("%q: got %d, want %d", host, got, want)
		}
	}
	bot.others = []*hosts{plain} // a server without redirects asks no other
	if got := bot.of("plain.example.com"); got != untouched {
		t.Errorf("got %d", got)
	}
}
