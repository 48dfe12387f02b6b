// Package telegram holds the facts of Telegram for a webhook and its gate: names, limits and
// addresses, the bytes that Telegram sends, and its rules for the answer.
//
//   - facts.go: names, limits and addresses
//   - upload.go: certificates that can be uploaded
//   - request.go: the request with an update
//   - answer.go, body.go: the answer, as Telegram reads it
//   - outcome.go: the outcome for the update
//   - update.go: types of update, their order, and an update to try a webhook with
//   - retries.go: when a failed update is sent again
//
// Requests are written and answers read without net/http's client, which would add
// headers, speak HTTP/2 and skip 1xx responses. Telegram does none of these.
package telegram

import (
	"net/netip"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

const (
	DefaultAPI   = "https://api.telegram.org"        // Telegram's own Bot API server
	SecretHeader = "X-Telegram-Bot-Api-Secret-Token" // the webhook's secret; also the canonical form of net/http

	MaxSecret      = 256       // characters of a secret
	MaxToken       = 80        // characters of a bot token that the Bot API looks at
	MaxBotID       = 1<<54 - 1 // the highest id that a bot can have
	MaxCertificate = 3 << 20   // bytes of an uploaded certificate

	DefaultMaxConnections = 40      // if max_connections is absent; 0 means 1
	MaxConnections        = 100     // the highest max_connections
	MaxLocalConnections   = 100_000 // the same for a local Bot API server

	// MaxHead is how many bytes a request may have before its body: request line,
	// headers and the empty line. A longer request is never sent, without an error.
	MaxHead = 4068

	MaxUpdate = 524_314 // bytes of an update; longer ones are dropped

	Timeout       = time.Minute    // from the beginning of the connection to the whole answer
	SetInterval   = time.Second    // between two calls of setWebhook for a bot; an earlier one gets 429
	MaxRetryAfter = time.Hour      // the longest pause that Retry-After can ask for
	GoneAfter     = 23 * time.Hour // of nothing but 410, after which Telegram removes the webhook

	maxAnswerHead = 256 << 10 // bytes
	maxParameters = 1 << 20   // bytes of an answer that may hold a call, decoded
	maxFiles      = 50 << 20  // bytes of files in an answer, as in any call of the Bot API
	maxUpdateType = 64        // characters, twice as many as the longest name has
)

// Token is the form of a bot token.
var Token = regexp.MustCompile(`^[1-9][0-9]*:[A-Za-z0-9_-]{30,}$`)

// Ports are the ports to which Telegram sends updates.
var Ports = []string{"443", "80", "88", "8443"}

// Ranges are the addresses from which Telegram sends updates, by the Bot API's webhook
// guide. It warns that they may change, so nothing is restricted to them by default.
var Ranges = []netip.Prefix{
	netip.MustParsePrefix("149.154.160.0/20"),
	netip.MustParsePrefix("91.108.4.0/22"),
}

var reserved = []netip.Prefix{
	netip.MustParsePrefix("0.0.0.0/8"), netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("100.64.0.0/10"),
	netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("169.254.0.0/16"), netip.MustParsePrefix("172.16.0.0/12"),
	netip.MustParsePrefix("192.0.0.0/24"), netip.MustParsePrefix("192.0.2.0/24"), netip.MustParsePrefix("192.88.99.0/24"),
	netip.MustParsePrefix("192.168.0.0/16"), netip.MustParsePrefix("198.18.0.0/15"), netip.MustParsePrefix("198.51.100.0/24"),
	netip.MustParsePrefix("203.0.113.0/24"), netip.MustParsePrefix("224.0.0.0/3"),
}

// IsReserved reports whether Telegram does not send to an IPv4 address.
func IsReserved(addr netip.Addr) bool {
	return slices.ContainsFunc(reserved, func(p netip.Prefix) bool { return p.Contains(addr) })
}

// IsUpdateType reports whether name can be the name of a type of update. New types come several times a year.
func IsUpdateType(name string) bool {
	return name != "" && len(name) <= maxUpdateType && strings.Trim(name, "abcdefghijklmnopqrstuvwxyz0123456789_") == ""
}

// anyToken matches the form of a bot token, in a path or its escaped form.
var anyToken = regexp.MustCompile(`(?i)[0-9]+(?::|%3a)[a-z0-9_-]{30,}`)

// HideTokens returns s without anything that has the form of a bot token.
func HideTokens(s string) string { return anyToken.ReplaceAllString(s, "[hidden]") }

var secretForm = regexp.MustCompile(`^[A-Za-z0-9_-]{16,}$`)

// Quote quotes a wrong argument in an error, unless it may be a secret or a token that stands in the wrong place.
func Quote(arg string) string {
	if anyToken.MatchString(arg) || secretForm.MatchString(arg) && strings.Trim(arg, "abcdefghijklmnopqrstuvwxyz_") != "" {
		return "the value"
	}
	return strconv.Quote(arg)
}
