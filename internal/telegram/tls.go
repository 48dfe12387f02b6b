package telegram

import (
	"crypto/tls"
	"crypto/x509"
	"slices"
	"strings"
)

// TLSConfig returns the TLS settings for a webhook: TLS 1.2 or later, the host name in
// SNI, no ALPN.
func TLSConfig(host string) *tls.Config {
	return &tls.Config{ServerName: host, MinVersion: tls.VersionTLS12}
}

// MatchesHost reports whether a certificate is for a host where one was uploaded. Unlike
// elsewhere, an IP address is compared as a name too, and the common name counts if there
// are no other names.
func MatchesHost(leaf *x509.Certificate, host string) bool {
	names := leaf.DNSNames
	if len(names) == 0 {
		names = []string{leaf.Subject.CommonName}
	}
	label, domain, _ := strings.Cut(strings.ToLower(host), ".")
	return slices.ContainsFunc(names, func(name string) bool {
		first, rest, _ := strings.Cut(strings.ToLower(name), ".")
		before, after, wildcard := strings.Cut(first, "*")
		matches := first == label
		if wildcard {
			matches = len(label) > len(before)+len(after) && strings.HasPrefix(label, before) && strings.HasSuffix(label, after)
		}
		return matches && rest == domain
	})
}
