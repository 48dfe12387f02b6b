package site

import (
	"cmp"
	"errors"
	"net"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

// IsAddress reports whether a given url is a whole address, and not empty or a path.
func IsAddress(given string) bool { return given != "" && !strings.HasPrefix(given, "/") }

// Canonical writes an address in the one way in which equal ones are equal.
func Canonical(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return address
	}
	u.Scheme, u.Host = strings.ToLower(u.Scheme), strings.ToLower(u.Host)
	u.Host = strings.TrimSuffix(u.Host, map[string]string{"https": ":443", "http": ":80"}[u.Scheme])
	if u.Path == "" {
		u.Path = "/"
	}
	return u.String()
}

// URL returns the public address of a handler: as given, if that is a whole address, or by its place in the server,
// with the given path if there is one. The place may not tell; the error says what to set.
func URL(server *caddyhttp.Server, place Place, given string) (string, error) {
	if IsAddress(given) {
		return given, nil
	}
	if problem := ambiguity(place.Hosts, "this site has several host names", "the host name"); problem != "" {
		return "", errors.New(problem + "; set url to the webhook's whole public address")
	}
	if len(place.Hosts) == 0 {
		return "", errors.New("this site has no host name; set url to the webhook's whole public address")
	}
	if problem := ambiguity(place.Paths, "several paths lead here", "the path"); problem != "" && given == "" {
		return "", errors.New(problem + "; set url to the path that Telegram is to use")
	}
	host, path := place.Hosts[0], cmp.Or(given, append(place.Paths, "/")[0])
	if len(server.TLSConnPolicies) == 0 {
		return "http://" + withPort(host, "80", server.Listen) + path, nil
	}
	return "https://" + withPort(host, "443", server.Listen) + path, nil
}

// ambiguity says why one address cannot be told from several names, or from a pattern; empty if it can.
func ambiguity(names []string, several, kind string) string {
	switch {
	case len(names) > 1:
		return several + " (" + strings.Join(names, ", ") + ")"
	case len(names) == 1 && isPattern(names[0]):
		return kind + " " + names[0] + " is a pattern"
	}
	return ""
}

func isPattern(name string) bool { return strings.ContainsAny(name, "*{") }

// OneHost returns a host by which a request of this process reaches the place: the first name, or one that the first
// pattern matches.
func (p Place) OneHost() string {
	for _, host := range p.Hosts {
		if !isPattern(host) {
			return host
		}
	}
	if len(p.Hosts) > 0 {
		return strings.ReplaceAll(p.Hosts[0], "*", "any")
	}
	return "localhost"
}

// withPort adds the port on which the server listens, unless it is the scheme's own.
func withPort(host, own string, listen []string) string {
	var ports []string
	for _, address := range listen {
		if a, err := caddy.ParseNetworkAddress(address); err == nil && a.StartPort > 0 { // a Unix socket has none
			ports = append(ports, strconv.FormatUint(uint64(a.StartPort), 10))
		}
	}
	if len(ports) == 0 || slices.Contains(ports, own) {
		return strings.TrimSuffix(net.JoinHostPort(host, ""), ":") // with the brackets of an IPv6 address
	}
	return net.JoinHostPort(host, ports[0])
}
