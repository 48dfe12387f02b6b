package telegram

import (
	"bufio"
	"context"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"regexp"
	"strconv"
	"strings"
	"time"

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

// Head returns the request line and the headers of a request with an update of size bytes. An empty secret is not sent.
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

const urlText = `[-A-Za-z0-9._!$,~*'();&+=]|[^\x00-\x7f]|%[0-9A-Fa-f]{2}`

// urlForm is of the scheme, the user with password, the host, the port, and the rest.
var urlForm = regexp.MustCompile(`(?s)^(?:(?i:(https?))://)?(?:((?:` + urlText + `|:)*)@)?(\[.*?\]|(?:` + urlText + `)+)(?::([0-9]+))?([/?#].*)?$`)

// ParseTarget parses a URL with Telegram's tolerance: the scheme may be missing, and
// everything behind the host is taken as it is, a fragment included.
func ParseTarget(raw string) (t Target, err error) {
	part := urlForm.FindStringSubmatch(raw)
	if part == nil {
		return t, errURL
	}
	t.TLS, t.userinfo, t.Query = !strings.EqualFold(part[1], "http"), part[2], escapeQuery(part[5])
	t.Host, t.Port = lower(part[3]), t.defaultPort()
	if part[4] != "" {
		port, err := strconv.ParseUint(part[4], 10, 16)
		if err != nil || port == 0 {
			return t, errURL
		}
		t.Port = int(port)
	}
	if strings.HasPrefix(t.Host, "[") {
		if addr, err := netip.ParseAddr(t.ServerName()); err != nil || !addr.Is6() || addr.Zone() != "" {
			return t, errURL
		}
	} else if t.Host == "." {
		return t, errURL
	}
	if ascii, err := idna.Punycode.ToASCII(t.Host); err == nil {
		t.Host = ascii
	}
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

// Dial opens a connection, as net.Dialer's DialContext does; network is "tcp4".
type Dial func(ctx context.Context, network, address string) (net.Conn, error)

// TLSConfig returns the TLS settings for a webhook: TLS 1.2 or later, the host name in SNI, no ALPN.
func TLSConfig(host string) *tls.Config {
	return &tls.Config{ServerName: host, MinVersion: tls.VersionTLS12}
}

// Open connects to an address that Target.Address returned, with TLS unless config is nil.
func Open(ctx context.Context, dial Dial, address string, config *tls.Config) (net.Conn, error) {
	conn, err := dial(ctx, "tcp4", address)
	if err != nil || config == nil {
		return conn, err
	}
	secured := tls.Client(conn, config)
	if err := secured.HandshakeContext(ctx); err != nil {
		_ = conn.Close()
		return nil, err
	}
	return secured, nil
}

// Exchange writes the only request on a connection and reads its answer, which may come
// before the peer has taken the whole request.
func Exchange(conn net.Conn, request []byte, deadline time.Time) *Answer {
	_ = conn.SetDeadline(deadline)
	go func() { _, _ = conn.Write(request) }() // until the caller closes the connection
	return ReadAnswer(bufio.NewReader(conn))
}
