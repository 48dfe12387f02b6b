package behind

import (
	"net/http"
	"testing"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp/reverseproxy"
)

type gate struct{}

func (*gate) ServeHTTP(http.ResponseWriter, *http.Request, caddyhttp.Handler) error { return nil }

type handlers = []caddyhttp.MiddlewareHandler

func below(routes ...caddyhttp.Route) *caddyhttp.Subroute { return &caddyhttp.Subroute{Routes: routes} }

// TestArrange looks at the proxies around a gate.
func TestArrange(t *testing.T) {
	own := new(gate)
	path := caddyhttp.MatcherSets{{&caddyhttp.MatchPath{"/x"}}}
	for name, tc := range map[string]struct {
		routes func(*reverseproxy.Handler) caddyhttp.RouteList
		before int64
		want   int64
	}{
		"in the same route": {
			routes: func(p *reverseproxy.Handler) caddyhttp.RouteList {
				return caddyhttp.RouteList{{MatcherSets: path, Handlers: handlers{own, p}}}
			},
			want: Limit,
		},
		"in the next route of a site": {
			routes: func(p *reverseproxy.Handler) caddyhttp.RouteList {
				return caddyhttp.RouteList{{Handlers: handlers{below(
					caddyhttp.Route{Handlers: handlers{own}}, caddyhttp.Route{MatcherSets: path, Handlers: handlers{below(caddyhttp.Route{Handlers: handlers{p}})}},
				)}}}
			},
			want: Limit,
		},
		"set by the configuration": {
			routes: func(p *reverseproxy.Handler) caddyhttp.RouteList {
				return caddyhttp.RouteList{{Handlers: handlers{own, p}}}
			},
			before: 1000,
			want:   1000,
		},
		"before the gate": {
			routes: func(p *reverseproxy.Handler) caddyhttp.RouteList {
				return caddyhttp.RouteList{{Handlers: handlers{p}}, {Handlers: handlers{p, own}}}
			},
		},
		"beside a path that is guarded": {
			routes: func(p *reverseproxy.Handler) caddyhttp.RouteList {
				return caddyhttp.RouteList{{MatcherSets: path, Handlers: handlers{own}}, {Handlers: handlers{p}}}
			},
		},
		"beside a guarded block": {
			routes: func(p *reverseproxy.Handler) caddyhttp.RouteList {
				return caddyhttp.RouteList{{Handlers: handlers{below(caddyhttp.Route{Handlers: handlers{own}})}}, {Handlers: handlers{p}}}
			},
		},
		"in an alternative": {
			routes: func(p *reverseproxy.Handler) caddyhttp.RouteList {
				return caddyhttp.RouteList{{Group: "a", Handlers: handlers{own}}, {Handlers: handlers{p}}}
			},
		},
		"without a gate": {
			routes: func(p *reverseproxy.Handler) caddyhttp.RouteList {
				return caddyhttp.RouteList{{Handlers: handlers{new(caddyhttp.Subroute), p}}}
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			p := &reverseproxy.Handler{RequestBuffers: tc.before}
			Arrange(&caddyhttp.Server{Routes: tc.routes(p)}, own, 40)
			if p.RequestBuffers != tc.want {
				t.Errorf("reads %d bytes ahead, want %d", p.RequestBuffers, tc.want)
			}
		})
	}
	Arrange(nil, own, 40) // a handler in no server
}

// TestIdle looks at how many idle connections a proxy keeps.
func TestIdle(t *testing.T) {
	checked := &reverseproxy.HealthChecks{Active: new(reverseproxy.ActiveHealthChecks)}
	for name, tc := range map[string]struct {
		checks                  *reverseproxy.HealthChecks
		set, connections, idles int
	}{
		"Caddy's default":              {nil, 32, 40, 40},
		"fewer are enough":             {nil, 32, 10, 32},
		"set by the configuration":     {nil, 5, 40, 5},
		"none":                         {nil, -1, 40, -1},
		"passive health checks":        {new(reverseproxy.HealthChecks), 32, 40, 40},
		"active health checks run now": {checked, 32, 40, 32},
	} {
		own, inner := new(gate), &http.Transport{MaxIdleConnsPerHost: tc.set}
		p := &reverseproxy.Handler{Transport: &reverseproxy.HTTPTransport{Transport: inner}, HealthChecks: tc.checks}
		Arrange(&caddyhttp.Server{Routes: caddyhttp.RouteList{{Handlers: handlers{own, p}}}}, own, tc.connections)
		if inner.MaxIdleConnsPerHost != tc.idles {
			t.Errorf("%s: keeps %d, want %d", name, inner.MaxIdleConnsPerHost, tc.idles)
		}
	}
	own := new(gate)
	other := &reverseproxy.Handler{Transport: http.DefaultTransport}
	Arrange(&caddyhttp.Server{Routes: caddyhttp.RouteList{{Handlers: handlers{own, other}}}}, own, 40)
}
