package registrar

import (
	"cmp"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"github.com/caddyserver/certmagic"

	"github.com/caddy-telegram/telegramwebhook/internal/botapi"
	"github.com/caddy-telegram/telegramwebhook/internal/secret"
)

// Check finds what Telegram would refuse, or would take and then never use.
// Telegram erases the webhook that it has before it looks at the new one, so all
// of this must be known before the call. With local set, the looser rules of a
// local Bot API server hold.
func Check(w botapi.Webhook, local bool) error {
	u, err := checkURL(w, local)
	if err != nil {
		return fmt.Errorf("url: %w", err)
	}
	return CheckParameters(w, u.Hostname(), local)
}

// CheckParameters is Check without the URL, of which only the host matters here;
// empty if it is not known yet.
func CheckParameters(w botapi.Webhook, host string, local bool) error {
	if w.Secret != "" { // one that is made by itself is sound
		if err := secret.Check(w.Secret); err != nil {
			return fmt.Errorf("secret: %w", err)
		}
	}
	if err := checkAllowedUpdates(w.AllowedUpdates); err != nil {
		return fmt.Errorf("allowed_updates: %w", err)
	}
	if err := CheckIPAddress(w.IPAddress, local); err != nil {
		return fmt.Errorf("ip_address: %w", err)
	}
	if err := checkMaxConnections(w.MaxConnections, local); err != nil {
		return fmt.Errorf("max_connections: %w", err)
	}
	if len(w.Certificate) > 0 {
		if err := checkCertificate(w.Certificate, host); err != nil {
			return fmt.Errorf("certificate: %w", err)
		}
	}
	return nil
}

// ports are those to which Telegram sends updates.
var ports = []string{"443", "80", "88", "8443"}

// maxHead is how long Telegram's request line and headers may be.
const maxHead = 4096

func checkURL(w botapi.Webhook, local bool) (*url.URL, error) {
	u, err := url.Parse(w.URL)
	if err != nil || u.Host == "" || u.Hostname() == "" {
		return nil, errors.New("is not an address such as https://bot.example.com/telegram")
	}
	if u.Scheme != "https" && (!local || u.Scheme != "http") {
		return nil, errors.New("must begin with https://")
	}
	if u.User != nil || u.Fragment != "" {
		return nil, errors.New("must have neither a user nor a fragment")
	}
	if err := checkHost(u.Hostname(), w.IPAddress); err != nil && !local {
		return nil, err
	}
	if port := u.Port(); port != "" && !local && !slices.Contains(ports, port) {
		return nil, fmt.Errorf("port %s is not one of %s, to which Telegram sends updates", port, strings.Join(ports, ", "))
	}
	if n := headLength(u, cmp.Or(w.Secret, ownSecret)); n >= maxHead {
		return nil, fmt.Errorf("is so long that the head of a request has %d bytes; from %d on Telegram sends nothing, without an error", n, maxHead)
	}
	return u, nil
}

// checkHost checks that Telegram can find a host and send to it. With a fixed
// address it need not find it.
func checkHost(host, fixed string) error {
	addr, err := netip.ParseAddr(host)
	switch {
	case err == nil && !addr.Is4():
		return fmt.Errorf("%s is not an IPv4 address, and Telegram uses no other", addr)
	case err == nil && reserved(addr):
		return fmt.Errorf("%s is a reserved address, which Telegram does not reach", addr)
	case err != nil && fixed == "" && certmagic.SubjectIsInternal(host):
		return fmt.Errorf("%s is not a public host name, so Telegram cannot find it", host)
	}
	return nil
}

// headLength is the length of the request line and headers that Telegram sends.
func headLength(u *url.URL, secretToken string) int {
	const fixed = len("POST  HTTP/1.1\r\nHost: \r\n: \r\n" +
		"Content-Type: application/json\r\nContent-Length: 524288\r\nConnection: keep-alive\r\n" +
		"Accept-Encoding: gzip, deflate\r\n\r\n")
	return fixed + len(u.RequestURI()) + len(u.Host) + len(secret.Header) + len(secretToken)
}

// ownSecret is as long as a secret that is made by itself.
var ownSecret = strings.Repeat("x", 43)

// reserved are the ranges that no public host has.
func reserved(addr netip.Addr) bool {
	return !addr.IsGlobalUnicast() || addr.IsPrivate() || slices.ContainsFunc(reservedRanges, func(p netip.Prefix) bool {
		return p.Contains(addr)
	})
}

var reservedRanges = []netip.Prefix{
	netip.MustParsePrefix("0.0.0.0/8"),
	netip.MustParsePrefix("100.64.0.0/10"),
	netip.MustParsePrefix("192.0.0.0/24"),
	netip.MustParsePrefix("192.0.2.0/24"),
	netip.MustParsePrefix("192.88.99.0/24"),
	netip.MustParsePrefix("198.18.0.0/15"),
	netip.MustParsePrefix("198.51.100.0/24"),
	netip.MustParsePrefix("203.0.113.0/24"),
	netip.MustParsePrefix("240.0.0.0/4"),
}

// updateType is what the name of a type of update looks like. New ones come, and
// Telegram ignores what it does not know.
var updateType = regexp.MustCompile(`^[A-Za-z0-9_]+$`)

func checkAllowedUpdates(types []string) error {
	for _, name := range types {
		if !updateType.MatchString(name) {
			return fmt.Errorf("%q is not the name of a type of update, such as message; name each by itself", name)
		}
	}
	return nil
}

// CheckIPAddress checks the fixed address that Telegram is to use; empty is none.
func CheckIPAddress(ip string, local bool) error {
	if ip == "" {
		return nil
	}
	addr, err := netip.ParseAddr(ip)
	if err != nil || !addr.Is4() {
		return fmt.Errorf("%q is not an IPv4 address, and Telegram uses no other", ip)
	}
	if !local && reserved(addr) {
		return fmt.Errorf("%s is a reserved address, which Telegram does not reach", ip)
	}
	return nil
}

// checkMaxConnections checks how many connections Telegram may open.
func checkMaxConnections(n int, local bool) error {
	limit := 100
	if local {
		limit = 100_000
	}
	if n < 1 || n > limit {
		return fmt.Errorf("%d is not from 1 to %d", n, limit)
	}
	return nil
}

// maxCertificate is the largest file that Telegram takes.
const maxCertificate = 3 << 20

// checkCertificate checks a certificate that is to be uploaded: public part
// only, and for the host, if that is known, unless it is a root that signs the host's.
func checkCertificate(content []byte, host string) error {
	if len(content) > maxCertificate {
		return fmt.Errorf("has %d bytes; Telegram takes up to %d", len(content), maxCertificate)
	}
	var first *x509.Certificate
	for rest := content; ; {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			break
		}
		if block.Type != "CERTIFICATE" {
			return fmt.Errorf("holds a %s besides certificates; only the public part may leave this machine", block.Type)
		}
		cert, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return fmt.Errorf("cannot be read: %w", err)
		}
		if first == nil {
			first = cert
		}
	}
	if first == nil {
		return errors.New("holds no certificate in PEM form")
	}
	if host != "" && !first.IsCA && first.Subject.CommonName != host && first.VerifyHostname(host) != nil {
		return fmt.Errorf("is not for %s", host)
	}
	return nil
}
