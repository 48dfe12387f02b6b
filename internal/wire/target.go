package wire

import (
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"
)

const (
	// SecretHeader is written in Telegram's spelling, which differs from the
	// canonical one of net/http.
	SecretHeader = "X-Telegram-Bot-Api-Secret-Token"

	// MaxHead is the size of the buffer in which Telegram writes request line
	// and headers. What does not fit is never sent, and nobody is told.
	MaxHead = 4096

	// MaxUpdate is the size above which Telegram drops an update before it is
	// queued: 524,288 bytes, and the update_id that is put in front.
	MaxUpdate = 524288 + 40
)

// Target is a webhook's URL, taken apart as Telegram does.
type Target struct {
	TLS      bool
	Host     string // in lower case, IPv6 addresses in brackets
	Port     int
	Query    string // path and query, never empty, spaces escaped
	userinfo string
}

// request is Request for a URL that is already parsed.
func (t Target) Request(secret string, update []byte) []byte {
	b := make([]byte, 0, 256+len(t.Query)+len(t.Host)+len(secret)+len(update))
	b = append(b, "POST "...)
	b = append(b, t.Query...)
	b = append(b, " HTTP/1.1\r\nHost: "...)
	b = append(b, t.Host...)
	if t.Port != t.defaultPort() {
		b = append(b, ':')
		b = strconv.AppendInt(b, int64(t.Port), 10)
	}
	if t.userinfo != "" {
		b = append(b, "\r\nAuthorization: Basic "...)
		b = base64.StdEncoding.AppendEncode(b, []byte(t.userinfo))
	}
	if secret != "" {
		b = append(b, "\r\n"+SecretHeader+": "...)
		b = append(b, secret...)
	}
	b = append(b, "\r\nContent-Type: application/json\r\nContent-Length: "...)
	b = strconv.AppendInt(b, int64(len(update)), 10)
	b = append(b, "\r\nConnection: keep-alive\r\nAccept-Encoding: gzip, deflate\r\n\r\n"...)
	if len(b) >= MaxHead {
		return nil
	}
	return append(b, update...)
}

func (t Target) defaultPort() int {
	if t.TLS {
		return 443
	}
	return 80
}

// String is the URL that t stands for, without a user and password.
func (t Target) String() string {
	scheme := "http"
	if t.TLS {
		scheme = "https"
	}
	if t.Port != t.defaultPort() {
		return fmt.Sprintf("%s://%s:%d%s", scheme, t.Host, t.Port, t.Query)
	}
	return scheme + "://" + t.Host + t.Query
}

// ServerName is the host without the brackets of an IPv6 address.
func (t Target) ServerName() string {
	return strings.TrimSuffix(strings.TrimPrefix(t.Host, "["), "]")
}

// Address is what is dialed: the host, or the fixed address instead.
func (t Target) Address(ip string) string {
	if ip == "" {
		ip = t.ServerName()
	}
	return net.JoinHostPort(ip, strconv.Itoa(t.Port))
}

var errURL = errors.New("invalid webhook url")

// ParseTarget reads a URL with the tolerance that Telegram has: the scheme may
// be missing, everything after the host is taken as it is, a fragment included.
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

	t.Host, t.Port = strings.ToLower(authority), t.defaultPort()
	if i := strings.LastIndexByte(authority, ':'); i > strings.LastIndexByte(authority, ']') {
		t.Port, err = strconv.Atoi(authority[i+1:])
		if err != nil || t.Port < 1 || t.Port > 65535 {
			return t, errURL
		}
		t.Host = strings.ToLower(authority[:i])
	}
	if !validHost(t.Host) {
		return t, errURL
	}

	t.Query = escapeQuery(t.Query)
	return t, nil
}

func validHost(host string) bool {
	if host == "" || host == "." {
		return false
	}
	if inner, ok := strings.CutPrefix(host, "["); ok {
		a, err := netip.ParseAddr(strings.TrimSuffix(inner, "]"))
		return err == nil && a.Is6() && a.Zone() == "" && strings.HasSuffix(host, "]")
	}
	for i := range len(host) {
		c := host[i]
		if 'a' <= c && c <= 'z' || '0' <= c && c <= '9' || c >= 0x80 || strings.IndexByte(".-_!$,~*'();&+=%", c) >= 0 {
			continue
		}
		return false
	}
	return true
}

// escapeQuery returns path and query as they are sent: with a slash in front,
// without white space behind, and with what could break the request line
// escaped.
func escapeQuery(query string) string {
	query = strings.TrimRight(query, " \t\r\n\v\x00")
	var b strings.Builder
	if !strings.HasPrefix(query, "/") {
		b.WriteByte('/')
	}
	for i := range len(query) {
		if c := query[i]; c <= ' ' {
			b.WriteByte('%')
			b.WriteByte("0123456789ABCDEF"[c>>4])
			b.WriteByte("0123456789ABCDEF"[c&15])
		} else {
			b.WriteByte(c)
		}
	}
	return b.String()
}
