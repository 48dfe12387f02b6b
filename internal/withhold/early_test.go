package withhold

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"testing"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

// named is a gate that can be told from others.
type named string

func (named) ServeHTTP(http.ResponseWriter, *http.Request, caddyhttp.Handler) error { return nil }
func (named) RefuseEarly(http.ResponseWriter, *http.Request) bool                   { return false }

func hosts(names ...string) caddyhttp.MatcherSet {
	m := caddyhttp.MatchHost(names)
	return caddyhttp.MatcherSet{new(giver), &m, new(hider)}
}

func route(handler caddyhttp.MiddlewareHandler, sets ...caddyhttp.MatcherSet) caddyhttp.Route {
	return caddyhttp.Route{MatcherSets: sets, Handlers: []caddyhttp.MiddlewareHandler{handler}}
}

func below(routes ...caddyhttp.Route) *caddyhttp.Subroute { return &caddyhttp.Subroute{Routes: routes} }

// TestGates says to which gate all that is for a host comes first.
func TestGates(t *testing.T) {
	other := caddyhttp.StaticResponse{}
	path := caddyhttp.MatchPath{"/x"}
	always := caddyhttp.MatcherSet{new(giver), new(hider)}
	for name, tc := range map[string]struct {
		routes []caddyhttp.Route
		want   map[string]string // by Host
	}{
		"a site of its own": {
			[]caddyhttp.Route{route(below(route(named("a"), always)), hosts("A.example.com"))},
			map[string]string{"a.example.com": "a", "A.EXAMPLE.COM:443": "a", "b.example.com": "", "": ""},
		},
		"no host at all": {
			[]caddyhttp.Route{route(below(route(named("a"))))},
			map[string]string{"a.example.com": "a", "": "a", "[::1]:8443": "a"},
		},
		"several sites, one for any host": {
			[]caddyhttp.Route{
				route(below(route(named("a"))), hosts("a.example.com", "a.example.org")),
				route(below(route(other)), hosts("b.example.com")),
				route(below(route(named("c"))), hosts("::1")),
				route(named("any"), always),
				route(named("late"), hosts("d.example.com")),
			},
			map[string]string{"a.example.com": "a", "a.example.org": "a", "b.example.com": "", "[::1]": "c", "[::1]:443": "c", "d.example.com": "any"},
		},
		"two routes for a host": {
			[]caddyhttp.Route{route(other, hosts("a.example.com")), route(named("a"), hosts("a.example.com"))},
			map[string]string{"a.example.com": ""},
		},
		"a handler before it": {
			[]caddyhttp.Route{{Handlers: []caddyhttp.MiddlewareHandler{other, named("a")}, MatcherSets: caddyhttp.MatcherSets{hosts("a.example.com")}}},
			map[string]string{"a.example.com": ""},
		},
		"a route before it": {
			[]caddyhttp.Route{route(below(route(other), route(named("a"))), hosts("a.example.com"))},
			map[string]string{"a.example.com": ""},
		},
		"a path": {
			[]caddyhttp.Route{route(below(route(named("a"), caddyhttp.MatcherSet{&path})), hosts("a.example.com"))},
			map[string]string{"a.example.com": ""},
		},
		"a path beside the host": {
			[]caddyhttp.Route{route(named("a"), append(hosts("a.example.com"), &path))},
			map[string]string{"a.example.com": ""},
		},
		"a pattern before it": {
			[]caddyhttp.Route{route(other, hosts("*.example.com")), route(named("a"), hosts("a.example.com"))},
			map[string]string{"a.example.com": ""},
		},
		"a pattern after it": {
			[]caddyhttp.Route{route(named("a"), hosts("a.example.com")), route(named("b"), hosts("{env.HOST}"))},
			map[string]string{"a.example.com": "a", "b.example.com": ""},
		},
		"a host or anything": {
			[]caddyhttp.Route{route(other, hosts("b.example.com"), always), route(named("a"), hosts("a.example.com"))},
			map[string]string{"a.example.com": "", "b.example.com": ""},
		},
		"no routes": {nil, map[string]string{"a.example.com": ""}},
	} {
		t.Run(name, func(t *testing.T) {
			found := findGates(&caddyhttp.Server{Routes: tc.routes})
			for _, host := range slices.Sorted(maps.Keys(tc.want)) {
				got := ""
				if gate := found.of(&http.Request{Host: host}); gate != nil {
					got = fmt.Sprint(gate)
				}
				if got != tc.want[host] {
					t.Errorf("%q comes first to %q, want %q", host, got, tc.want[host])
				}
			}
		})
	}
}

// TestGateFoundForNothing finds the gate of a request without an allocation.
func TestGateFoundForNothing(t *testing.T) {
	found := findGates(&caddyhttp.Server{Routes: []caddyhttp.Route{route(named("a"), hosts("a.example.com"))}})
	for _, host := range []string{"a.example.com", "a.example.com:8443"} {
		r := &http.Request{Host: host}
		if n := testing.AllocsPerRun(100, func() { found.of(r) }); n != 0 {
			t.Errorf("%s: %v allocations", host, n)
		}
	}
}

// TestGatesBehindProxies leaves it to Caddy who the client is. What Caddy makes
// of trusted_proxies is tested with the real one.
func TestGatesBehindProxies(t *testing.T) {
	server := &caddyhttp.Server{Routes: []caddyhttp.Route{route(named("a"))}, TrustedProxiesUnix: true}
	if gate := findGates(server).of(&http.Request{Host: "a.example.com"}); gate != nil {
		t.Errorf("got %v", gate)
	}
}
