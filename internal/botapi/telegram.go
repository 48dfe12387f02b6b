package botapi

import (
	"net/netip"
	"regexp"
	"slices"
)

// What Telegram takes, and how it sends.
const (
	// DefaultAPI is Telegram's own Bot API server.
	DefaultAPI = "https://api.telegram.org"

	// DefaultMaxConnections is what Telegram takes when max_connections is absent.
	// Told 0, it takes 1.
	DefaultMaxConnections = 40

	MaxConnections      = 100
	maxConnectionsLocal = 100_000 // of a local Bot API server

	maxToken       = 80      // characters of the longest token that the Bot API looks at
	maxBotID       = 1 << 54 // the first id that is no bot's any more
	maxHead        = 4096    // bytes of a request's first line and headers, from which on Telegram sends nothing
	maxCertificate = 3 << 20 // bytes of the largest file that Telegram takes

	// head is what every request of Telegram has in front of its body, besides
	// address, host and secret.
	head = "POST  HTTP/1.1\r\nHost: \r\n: \r\n" +
		"Content-Type: application/json\r\nContent-Length: 524288\r\nConnection: keep-alive\r\n" +
		"Accept-Encoding: gzip, deflate\r\n\r\n"
)

var (
	tokenForm = regexp.MustCompile(`^[1-9][0-9]*:[A-Za-z0-9_-]{30,}$`)

	// updateType is what the name of a type of update looks like. New ones come, and
	// Telegram ignores what it does not know.
	updateType = regexp.MustCompile(`^[A-Za-z0-9_]+$`)

	// ports are those to which Telegram sends updates.
	ports = []string{"443", "80", "88", "8443"}

	// reservedRanges are addresses that Telegram does not reach.
	reservedRanges = []netip.Prefix{
		netip.MustParsePrefix("0.0.0.0/8"), netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("100.64.0.0/10"),
		netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("169.254.0.0/16"), netip.MustParsePrefix("172.16.0.0/12"),
		netip.MustParsePrefix("192.0.0.0/24"), netip.MustParsePrefix("192.0.2.0/24"), netip.MustParsePrefix("192.88.99.0/24"),
		netip.MustParsePrefix("192.168.0.0/16"), netip.MustParsePrefix("198.18.0.0/15"), netip.MustParsePrefix("198.51.100.0/24"),
		netip.MustParsePrefix("203.0.113.0/24"), netip.MustParsePrefix("224.0.0.0/3"),
	}
)

// Reserved reports whether Telegram does not send to an IPv4 address.
func Reserved(addr netip.Addr) bool {
	return slices.ContainsFunc(reservedRanges, func(p netip.Prefix) bool { return p.Contains(addr) })
}
