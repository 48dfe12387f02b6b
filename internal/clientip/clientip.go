// Package clientip determines the client of a request by Caddy's rules, and parses the addresses in a configuration.
package clientip

import (
	"fmt"
	"net/http"
	"net/netip"
	"slices"
	"strings"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/caddy-telegram/telegramwebhook/internal/telegram"
)

// Ranges is a list of address ranges. An empty list holds no address.
type Ranges []netip.Prefix

// Telegram holds the ranges of Telegram's addresses.
var Telegram = Ranges(telegram.Ranges)

// Parse reads "telegram", CIDR ranges and single addresses.
func Parse(args ...string) (Ranges, error) {
	var ranges Ranges
	for _, arg := range args {
		if arg == "telegram" {
			ranges = append(ranges, telegram.Ranges...)
			continue
		}
		prefix, err := caddyhttp.CIDRExpressionToPrefix(arg)
		if err != nil || prefix.Addr().Is4In6() { // no client address has this form
			return nil, fmt.Errorf("%s is neither \"telegram\" nor an address range such as 203.0.113.0/24 or 2001:db8::/32", telegram.Quote(arg))
		}
		ranges = append(ranges, prefix.Masked())
	}
	return ranges, nil
}

// Contains reports whether ip, as Caddy writes a client's address, is in one of
// the ranges. The peer of a Unix socket has no address and is in none.
func (r Ranges) Contains(ip string) bool {
	addr, err := netip.ParseAddr(ip)
	return err == nil && r.ContainsAddr(addr)
}

// ContainsAddr reports whether addr is in one of the ranges.
func (r Ranges) ContainsAddr(addr netip.Addr) bool {
	addr = addr.Unmap().WithZone("")
	return slices.ContainsFunc(r, func(p netip.Prefix) bool { return p.Contains(addr) })
}

// Of returns the client's address by Caddy's trusted-proxy rule. It may be empty.
func Of(r *http.Request) string {
	ip, _ := caddyhttp.GetVar(r.Context(), caddyhttp.ClientIPVarKey).(string)
	return ip
}

// TrustedProxy reports whether the request came through a proxy that the server trusts.
func TrustedProxy(r *http.Request) bool {
	trusted, _ := caddyhttp.GetVar(r.Context(), caddyhttp.TrustedProxyVarKey).(bool)
	return trusted
}

// Secure reports whether the client speaks TLS: to Caddy, or to a proxy that the server
// trusts, according to that proxy.
func Secure(r *http.Request) bool {
	if r.TLS != nil {
		return true
	}
	proto := r.Header["X-Forwarded-Proto"]
	if len(proto) == 0 || !TrustedProxy(r) {
		return false
	}
	// Each proxy on the way adds its value; the first value describes the client.
	first, _, _ := strings.Cut(proto[0], ",")
	return strings.EqualFold(strings.TrimSpace(first), "https")
}

// Early reports whether the request came before the TLS handshake was complete, as HTTP/3
// allows. The sender may then not be at the address that it claims.
func Early(r *http.Request) bool {
	return r.ProtoMajor == 3 && r.TLS != nil && !r.TLS.HandshakeComplete
}
