// Package clientip determines the client of a request by Caddy's rules, and parses the addresses in a configuration.
package clientip

import (
	"fmt"
	"net/netip"
	"slices"

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
