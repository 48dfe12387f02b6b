package redact

import (
	"net"
	"slices"
	"strings"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/caddy-telegram/telegramwebhook/internal/site"
)

// place is the treatment of the secret header of a request for a host.
type place int

const (
	untouched  place = iota // no gate serves the host
	gated                   // a gate on this server serves the host
	redirected              // Caddy redirects the host to a server where a gate serves it
)

// hosts records for one server which hosts its gates serve. The most specific pattern
// decides: the exact host name, then a wildcard, then routes without a host.
type hosts struct {
	all       bool            // the hosts of a gate are unknown, so it counts for every host
	patterns  map[string]bool // whether a gate serves the hosts of a pattern; "" stands for routes without a host
	redirects bool            // Caddy has added redirects to HTTPS
	others    []*hosts        // the tables of the other servers, for the redirects
}

// findHosts builds the tables of all servers from their routes.
func (f *Front) findHosts() map[*caddyhttp.Server]*hosts {
	tables := make(map[*caddyhttp.Server]*hosts)
	for _, server := range f.http.Servers {
		tables[server] = newHosts(server.Routes, f.gates[server])
	}
	for server, table := range tables {
		for other, t := range tables {
			if other != server {
				table.others = append(table.others, t)
			}
		}
	}
	return tables
}

func newHosts(routes caddyhttp.RouteList, gates int) *hosts {
	t := &hosts{patterns: make(map[string]bool)}
	found := 0
	for _, route := range routes {
		if isRedirect(route) {
			t.redirects = true
			continue
		}
		outer := narrow([]string{""}, route)
		found += t.addGates(route, outer)
		// A route without a gate decides for its hosts only if it ends every request for
		// them and no gate comes before it.
		for _, pattern := range outer {
			if _, known := t.patterns[pattern]; !known && isWholeSite(route) && !t.serves(pattern) {
				t.patterns[pattern] = false
			}
		}
	}
	t.all = t.all || found < gates
	return t
}

// addGates records the gates of a route and its subroutes, and returns their number.
func (t *hosts) addGates(route caddyhttp.Route, patterns []string) (found int) {
	for _, handler := range route.Handlers {
		switch handler := handler.(type) {
		case site.Gate:
			found++
			for _, pattern := range patterns {
				t.patterns[pattern] = true
				t.all = t.all || strings.Contains(pattern, "{")
			}
		case *caddyhttp.Subroute:
			for _, inner := range handler.Routes {
				found += t.addGates(inner, narrow(patterns, inner))
			}
		}
	}
	return found
}

// isWholeSite reports whether a route handles all requests for its hosts, as the route of
// a site in a Caddyfile does.
func isWholeSite(route caddyhttp.Route) bool {
	return route.Terminal && !slices.ContainsFunc(route.MatcherSets, func(set caddyhttp.MatcherSet) bool {
		return len(set) != 1
	})
}

// narrow returns the host patterns of a route: its own if each of its matcher sets has
// some, and otherwise those of the enclosing route.
func narrow(outer []string, route caddyhttp.Route) []string {
	var patterns []string
	for _, set := range route.MatcherSets {
		i := slices.IndexFunc(set, func(m any) bool { _, ok := m.(*caddyhttp.MatchHost); return ok })
		if i < 0 {
			return outer
		}
		for _, host := range *set[i].(*caddyhttp.MatchHost) {
			patterns = append(patterns, strings.ToLower(host))
		}
	}
	if len(patterns) == 0 {
		return outer
	}
	return patterns
}

// isRedirect reports whether automatic HTTPS has created the route: only Caddy itself
// stores this matcher by value.
func isRedirect(route caddyhttp.Route) bool {
	return slices.ContainsFunc(route.MatcherSets, func(set caddyhttp.MatcherSet) bool {
		return slices.ContainsFunc(set, func(m any) bool { _, ok := m.(caddyhttp.MatchProtocol); return ok })
	})
}

// of returns the place of a request's host.
func (t *hosts) of(hostport string) place {
	host := hostname(hostport)
	pattern := t.pattern(host)
	switch {
	case t.all, pattern != "" && t.patterns[pattern]:
		return gated
	case pattern != "":
		return untouched
	case t.redirects && slices.ContainsFunc(t.others, func(other *hosts) bool { return other.serves(host) }):
		return redirected
	case t.patterns[""]:
		return gated
	}
	return untouched
}

// serves reports whether a gate on this server serves the host.
func (t *hosts) serves(host string) bool { return t.all || t.patterns[t.pattern(host)] }

// pattern returns the most specific pattern for a host. Of two equally specific
// wildcards, the one with a gate counts: Caddy takes the first route.
func (t *hosts) pattern(host string) (pattern string) {
	if _, ok := t.patterns[host]; ok {
		return host
	}
	for p, gated := range t.patterns {
		if !strings.Contains(p, "*") {
			continue
		}
		stars := strings.Count(p, "*") - strings.Count(pattern, "*")
		if matches(p, host) && (pattern == "" || stars < 0 || stars == 0 && gated) {
			pattern = p
		}
	}
	return pattern
}

// matches reports whether a wildcard pattern matches a host, label by label as
// Caddy's host matcher does.
func matches(pattern, host string) bool {
	labels, wanted := strings.Split(host, "."), strings.Split(pattern, ".")
	return slices.EqualFunc(labels, wanted, func(label, want string) bool { return want == "*" || label == want })
}

// hostname returns the host of a Host header as Caddy's host matcher reads it, in lower
// case.
func hostname(hostport string) string {
	host, _, err := net.SplitHostPort(hostport)
	if err != nil {
		host = strings.TrimSuffix(strings.TrimPrefix(hostport, "["), "]")
	}
	return strings.ToLower(host)
}
