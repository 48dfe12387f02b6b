// Package clientip knows who the client of a request is, by Caddy's rules, and which
// addresses a configuration means.
package clientip

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/caddy-telegram/telegramwebhook/internal/telegram"
)

// Keyword stands for Telegram's own ranges in a configuration.
const Keyword = "telegram"

// Ranges is a list of address ranges. An empty list holds no address.
type Ranges []netip.Prefix

// Telegram reports whether ip is one of Telegram's addresses.
func Telegram(ip string) bool { return Ranges(telegram.Ranges).Contains(ip) }

// TelegramAddr reports whether addr is one of Telegram's.
func TelegramAddr(addr netip.Addr) bool { return Ranges(telegram.Ranges).ContainsAddr(addr) }

// Parse reads "telegram", CIDR ranges and single addresses.
func Parse(args ...string) (Ranges, error) {
	var ranges Ranges
	for _, arg := range args {
		if arg == Keyword {
			ranges = append(ranges, telegram.Ranges...)
			continue
		}
		prefix, err := parsePrefix(arg)
		if err != nil {
			return nil, fmt.Errorf("%s is neither %q nor an address range such as 203.0.113.0/24 or 2001:db8::/32", telegram.Quote(arg), Keyword)
		}
		ranges = append(ranges, prefix)
	}
	return ranges, nil
}

func parsePrefix(s string) (netip.Prefix, error) {
	if !strings.Contains(s, "/") {
		addr, err := netip.ParseAddr(s)
		if err != nil {
			return netip.Prefix{}, err
		}
		addr = addr.Unmap().WithZone("")
		return netip.PrefixFrom(addr, addr.BitLen()), nil
	}
	prefix, err := netip.ParsePrefix(s)
	if err != nil {
		return netip.Prefix{}, err
	}
	if prefix.Addr().Is4In6() {
		return netip.Prefix{}, errors.New("an IPv6-mapped range, in which no client is")
	}
	return prefix.Masked(), nil
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
