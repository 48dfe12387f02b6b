package telegramtest

import (
	"crypto/x509"
	"encoding/base64"
	"errors"
	"net"
	"net/netip"
	"strconv"
	"strings"
)

const (
	// secretHeader is written in Telegram's spelling, which differs from the
	// canonical one of net/http.
	secretHeader = "X-Telegram-Bot-Api-Secret-Token"

	// maxHead is the size of the buffer in which Telegram writes request line
	// and headers. What does not fit is never sent, and nobody is told.
	maxHead = 4096

	defaultMaxConnections = 40
)

// Webhook is what was registered: where updates go and how.
type Webhook struct {
	// URL is https://host[:port]/path, or http:// for a local Bot API server.
	// Empty means that there is no webhook, and updates wait.
	URL string

	// Secret is the secret_token. Empty means that the header is not sent.
	Secret string

	// MaxConnections is how many requests may be under way at once. 0 means 40.
	MaxConnections int

	// IPAddress is dialed instead of the URL's host, if it is not empty. The
	// host stays what TLS and the Host header say.
	IPAddress string

	// RootCAs replaces the system's trust store, as an uploaded certificate
	// does. With it a certificate without alternative names may match by its
	// common name.
	RootCAs *x509.CertPool
}

// Request returns the bytes that Telegram writes to deliver an update, or nil
// when it would write none: the URL is not one, or request line and headers do
// not fit into 4,096 bytes.
func Request(w Webhook, update []byte) []byte {
	t, err := parseTarget(w.URL)
	if err != nil {
		return nil
	}
	return t.request(w.Secret, update)
}

// target is a webhook's URL, taken apart as Telegram does.
type target struct {
	tls      bool
	userinfo string
	host     string // in lower case, IPv6 addresses in brackets
	port     int
	query    string // path and query, never empty, spaces escaped
}

// request is Request for a URL that is already parsed.
func (t target) request(secret string, update []byte) []byte {
	b := make([]byte, 0, 256+len(t.query)+len(t.host)+len(secret)+len(update))
	b = append(b, "POST "...)
	b = append(b, t.query...)
	b = append(b, " HTTP/1.1\r\nHost: "...)
	b = append(b, t.host...)
	if t.port != t.defaultPort() {
		b = append(b, ':')
		b = strconv.AppendInt(b, int64(t.port), 10)
	}
	if t.userinfo != "" {
		b = append(b, "\r\nAuthorization: Basic "...)
		b = base64.StdEncoding.AppendEncode(b, []byte(t.userinfo))
	}
	if secret != "" {
		b = append(b, "\r\n"+secretHeader+": "...)
		b = append(b, secret...)
	}
	b = append(b, "\r\nContent-Type: application/json\r\nContent-Length: "...)
	b = strconv.AppendInt(b, int64(len(update)), 10)
	b = append(b, "\r\nConnection: keep-alive\r\nAccept-Encoding: gzip, deflate\r\n\r\n"...)
	if len(b) >= maxHead {
		return nil
	}
	return append(b, update...)
}

func (t target) defaultPort() int {
	if t.tls {
		return 443
	}
	return 80
}

// serverName is the host without the brackets of an IPv6 address.
func (t target) serverName() string {
	return strings.TrimSuffix(strings.TrimPrefix(t.host, "["), "]")
}

// address is what is dialed: the host, or the fixed address instead.
func (t target) address(ip string) string {
	if ip == "" {
		ip = t.serverName()
	}
	return net.JoinHostPort(ip, strconv.Itoa(t.port))
}

var errURL = errors.New("invalid webhook url")

// parseTarget reads a URL with the tolerance that Telegram has: the scheme may
// be missing, everything after the host is taken as it is, a fragment included.
func parseTarget(raw string) (t target, err error) {
	scheme, rest, ok := strings.Cut(raw, "://")
	switch {
	case !ok || strings.ContainsAny(scheme, ":/?#@[]"):
		t.tls, rest = true, raw
	case strings.EqualFold(scheme, "https"):
		t.tls = true
	case !strings.EqualFold(scheme, "http"):
		return t, errURL
	}

	authority := rest
	if i := strings.IndexAny(rest, "/?#"); i >= 0 {
		authority, t.query = rest[:i], rest[i:]
	}
	if i := strings.LastIndexByte(authority, '@'); i >= 0 {
		t.userinfo, authority = authority[:i], authority[i+1:]
	}

	t.host, t.port = strings.ToLower(authority), t.defaultPort()
	if i := strings.LastIndexByte(authority, ':'); i > strings.LastIndexByte(authority, ']') {
		t.port, err = strconv.Atoi(authority[i+1:])
		if err != nil || t.port < 1 || t.port > 65535 {
			return t, errURL
		}
		t.host = strings.ToLower(authority[:i])
	}
	if !validHost(t.host) {
		return t, errURL
	}

	t.query = escapeQuery(t.query)
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
