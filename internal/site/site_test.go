package site

import (
	"testing"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

// TestNames looks at the places of gates, and at the names that are made of them.
func TestNames(t *testing.T) {
	h, first := &here{1}, &here{2}
	host := func(hosts ...string) caddyhttp.MatcherSets {
		m := caddyhttp.MatchHost(hosts)
		return caddyhttp.MatcherSets{{&m}}
	}
	path := func(paths ...string) caddyhttp.MatcherSets {
		m := caddyhttp.MatchPath(paths)
		return caddyhttp.MatcherSets{{&m}}
	}
	handlers := []caddyhttp.MiddlewareHandler{h}
	below := func(routes ...caddyhttp.Route) []caddyhttp.MiddlewareHandler {
		return []caddyhttp.MiddlewareHandler{&caddyhttp.Subroute{Routes: routes}}
	}
	for name, tc := range map[string]struct {
		routes caddyhttp.RouteList
		want   string
	}{
		"a whole site": {caddyhttp.RouteList{
			{MatcherSets: host("other.example.com"), Handlers: below()},
			{MatcherSets: host("bot.example.com", "b.example.com"), Handlers: below(caddyhttp.Route{Handlers: handlers})},
		}, "bot.example.com"},
		"a path of a site": {caddyhttp.RouteList{
			{MatcherSets: host("example.com"), Handlers: below(
				caddyhttp.Route{MatcherSets: path("/other"), Handlers: below()},
				caddyhttp.Route{MatcherSets: path("/telegram"), Handlers: below(caddyhttp.Route{Handlers: handlers})},
			)},
		}, "example.com/telegram"},
		"one path of many": {caddyhttp.RouteList{
			{MatcherSets: host("example.com"), Handlers: below(
				caddyhttp.Route{MatcherSets: path("/first"), Handlers: below(caddyhttp.Route{Handlers: []caddyhttp.MiddlewareHandler{first}})},
				caddyhttp.Route{MatcherSets: path("/second"), Handlers: below(caddyhttp.Route{Handlers: handlers})},
				caddyhttp.Route{MatcherSets: path("/again"), Handlers: below(caddyhttp.Route{Handlers: handlers})},
			)},
		}, "example.com/second"},
		"no host": {caddyhttp.RouteList{{Handlers: handlers}}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			server := &caddyhttp.Server{Routes: tc.routes}
			if got := Find(map[string]*caddyhttp.Server{"": server})[h].String(); got != tc.want {
				t.Errorf("got %q, want %q", got, tc.want)
			}
		})
	}
}
