package withhold

import (
	"net"
	"net/http"
	"reflect"
	"strings"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

// Gate is a handler that may refuse a request before Caddy has done any work for
// it, which is most of what a refusal costs.
type Gate interface {
	// RefuseEarly refuses a request, or leaves it to Caddy and returns false.
	RefuseEarly(http.ResponseWriter, *http.Request) bool
}

// gates are the gates to which every request for a host comes first; nil for a
// host of which that is not so. The empty host stands for all others.
type gates map[string]Gate

// of returns the gate for a request; nil if there is none.
func (g gates) of(r *http.Request) Gate {
	if len(g) == 0 {
		return nil
	}
	host := strings.Trim(r.Host, "[]")     // as Caddy's host matcher reads it
	if strings.IndexByte(host, ':') >= 0 { // most have no port, and an error would be allocated
		if name, _, err := net.SplitHostPort(r.Host); err == nil {
			host = name
		}
	}
	gate, ok := g[strings.ToLower(host)]
	if !ok {
		gate = g[""]
	}
	return gate
}

// findGates reads a server's routes until one of them may take requests of any
// host. Behind trusted proxies only Caddy knows who the client is.
func findGates(server *caddyhttp.Server) gates {
	if trustsProxies(server) {
		return nil
	}
	found := make(gates)
	for _, route := range server.Routes {
		hosts, ok := onlyHosts(route)
		if !ok {
			return found
		}
		gate := firstGate(route.Handlers)
		if len(hosts) == 0 {
			found[""] = gate
			return found
		}
		for _, host := range hosts {
			if _, ok := found[host]; !ok {
				found[host] = gate
			}
		}
	}
	return found
}

// trustsProxies reports whether a server has trusted proxies. Caddy keeps to
// itself what it has made of the configuration; where it cannot be seen, it is
// taken for granted.
func trustsProxies(server *caddyhttp.Server) bool {
	ranges := reflect.ValueOf(server).Elem().FieldByName("trustedProxies")
	return server.TrustedProxiesUnix || ranges.Kind() != reflect.Interface || !ranges.IsNil()
}

// firstGate is the gate that is the first of all these handlers; nil if another
// handler is.
func firstGate(handlers []caddyhttp.MiddlewareHandler) Gate {
	if len(handlers) == 0 {
		return nil
	}
	if sub, ok := handlers[0].(*caddyhttp.Subroute); ok && len(sub.Routes) > 0 {
		if Always(sub.Routes[0]) {
			return firstGate(sub.Routes[0].Handlers)
		}
	}
	gate, _ := handlers[0].(Gate)
	return gate
}

// Always reports whether every request that comes to a route passes its matchers.
func Always(route caddyhttp.Route) bool {
	hosts, ok := onlyHosts(route)
	return ok && len(hosts) == 0
}

// onlyHosts returns the hosts that a route is for, in small letters: none if it
// is for every request. It is not ok if something else than hosts decides, or if
// one of them is a pattern.
func onlyHosts(route caddyhttp.Route) (hosts []string, ok bool) {
	for _, set := range route.MatcherSets {
		var own []string
		for _, m := range set {
			switch m := m.(type) {
			case *giver, *hider:
			case *caddyhttp.MatchHost:
				if own != nil || len(*m) == 0 {
					return nil, false
				}
				own = *m
			default:
				return nil, false
			}
		}
		if own == nil {
			return nil, true // whatever the other sets say
		}
		for _, host := range own {
			if strings.ContainsAny(host, "*{") {
				return nil, false
			}
			hosts = append(hosts, strings.ToLower(host))
		}
	}
	return hosts, true
}
