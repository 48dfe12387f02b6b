package telegram

import (
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"regexp"
	"strconv"
	"strings"

	"golang.org/x/net/idna"
)

// Target is a webhook's URL in its parts, by Telegram's rules.
type Target struct {
	TLS      bool
	Host     string // in lower case, IPv6 addresses in brackets
	Port     int
	Query    string // path and query, never empty, spaces escaped
	userinfo string
}

// Head returns the request line and the headers of a request with an update of size
// bytes. An empty secret is not sent.
func (t Target) Head(secret string, size int) []byte {
	b := fmt.Appendf(nil, "POST %s HTTP/1.1\r\nHost: %s", t.Query, t.authority())
	if t.userinfo != "" {
		b = append(b, "\r\nAuthorization: Basic "...)
		b = base64.StdEncoding.AppendEncode(b, []byte(t.userinfo))
	}
	if secret != "" {
		b = fmt.Appendf(b, "\r\n%s: %s", SecretHeader, secret)
	}
	return fmt.Appendf(b, "\r\nContent-Type: application/json\r\nContent-Length: %d\r\nConnection: keep-alive\r\nAccept-Encoding: gzip, deflate\r\n\r\n", size)
}

// Request returns the whole request, or nil if Telegram would send nothing.
func (t Target) Request(secret string, update []byte) []byte {
	head := t.Head(secret, len(update))
	if len(head) > MaxHead {
		return nil
	}
	return append(head, update...)
}

func (t Target) defaultPort() int {
	if t.TLS {
		return 443
	}
	return 80
}

// authority returns the host, with the port unless it is the default one.
func (t Target) authority() string {
	if t.Port == t.defaultPort() {
		return t.Host
	}
	return fmt.Sprintf("%s:%d", t.Host, t.Port)
}

// String returns the URL without its user and password.
func (t Target) String() string {
	if t.TLS {
		return "https://" + t.authority() + t.Query
	}
	return "http://" + t.authority() + t.Query
}

// ServerName returns the host without the brackets of an IPv6 address.
func (t Target) ServerName() string {
	return strings.TrimSuffix(strings.TrimPrefix(t.Host, "["), "]")
}

// Address returns the address to connect to, with the host or a fixed IP address.
func (t Target) Address(ip string) string {
	if ip == "" {
		ip = t.ServerName()
	}
	return net.JoinHostPort(ip, strconv.Itoa(t.Port))
}

var errURL = errors.New("invalid webhook url")

// ParseTarget parses a URL with Telegram's tolerance: the scheme may be missing, and
// everything behind the host is taken as it is, a fragment included.
func ParseTarget(raw string) (t Target, err error) {
	scheme, rest, ok := strings.Cut(raw, "://")
	switch {
	case !ok || strings.ContainsAny(scheme, ":/?#@[]"):
		t.TLS, rest = true, raw
	case strings.EqualFold(scheme, "https"):
		t.TLS = true
	case !strings.EqualFold(scheme, "http"):
		return t, errURL
	}

	authority := rest
	if i := strings.IndexAny(rest, "/?#"); i >= 0 {
		authority, t.Query = rest[:i], rest[i:]
	}
	if i := strings.LastIndexByte(authority, '@'); i >= 0 {
		t.userinfo, authority = authority[:i], authority[i+1:]
	}

	t.Host, t.Port = lower(authority), t.defaultPort()
	if i := strings.LastIndexByte(authority, ':'); i > strings.LastIndexByte(authority, ']') {
		port, err := strconv.ParseUint(authority[i+1:], 10, 16)
		if err != nil || port == 0 {
			return t, errURL
		}
		t.Host, t.Port = lower(authority[:i]), int(port)
	}
	if !validHost(t.Host) || !validText(strings.ReplaceAll(t.userinfo, ":", "")) {
		return t, errURL
	}
	if ascii, err := idna.Punycode.ToASCII(t.Host); err == nil {
		t.Host = ascii
	}

	t.Query = escapeQuery(t.Query)
	return t, nil
}

// lower is strings.ToLower for ASCII alone.
func lower(s string) string {
	return strings.Map(func(r rune) rune {
		if 'A' <= r && r <= 'Z' {
			r += 'a' - 'A'
		}
		return r
	}, s)
}

func validHost(host string) bool {
	if host == "" || host == "." {
		return false
	}
	if inner, ok := strings.CutPrefix(host, "["); ok {
		a, err := netip.ParseAddr(strings.TrimSuffix(inner, "]"))
		return err == nil && a.Is6() && a.Zone() == "" && strings.HasSuffix(host, "]")
	}
	return validText(host)
}

var (
	urlText   = regexp.MustCompile(`^(?:[-A-Za-z0-9._!$,~*'();&+=]|[^\x00-\x7f]|%[0-9A-Fa-f]{2})*$`)
	validText = urlText.MatchString
)

// unsendable would break the request line.
var unsendable = regexp.MustCompile(`[\x00-\x20]`)

// escapeQuery returns path and query as they are sent: with a slash in front, without
// white space behind, and with escapes for it elsewhere.
func escapeQuery(query string) string {
	query = strings.TrimRight(query, " \t\r\n\v\x00")
	if !strings.HasPrefix(query, "/") {
		query = "/" + query
	}
	return unsendable.ReplaceAllStringFunc(query, func(s string) string { return fmt.Sprintf("%%%02X", s[0]) })
}
