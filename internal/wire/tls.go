package wire

import (
	"crypto/tls"
	"crypto/x509"
	"strings"
)

// TLSConfig returns the TLS settings for a webhook: TLS 1.2 or later, the host
// name in SNI, no ALPN. Roots of its own, those of an uploaded certificate,
// replace the system's; nil are the system's.
func TLSConfig(host string, roots *x509.CertPool) *tls.Config {
	c := &tls.Config{ServerName: host, MinVersion: tls.VersionTLS12}
	if roots != nil {
		c.InsecureSkipVerify = true // the chain and the name are verified below
		c.VerifyConnection = func(state tls.ConnectionState) error {
			return Verify(state.PeerCertificates, host, roots)
		}
	}
	return c
}

// Verify checks a chain of certificates, the leaf first. With roots of its own a
// name in the subject serves too where the certificate has no alternative names;
// crypto/tls does not look there.
func Verify(chain []*x509.Certificate, host string, roots *x509.CertPool) error {
	leaf := chain[0]
	opts := x509.VerifyOptions{Roots: roots, Intermediates: x509.NewCertPool()}
	for _, ca := range chain[1:] {
		opts.Intermediates.AddCert(ca)
	}
	if _, err := leaf.Verify(opts); err != nil {
		return &tls.CertificateVerificationError{UnverifiedCertificates: chain, Err: err}
	}
	err := leaf.VerifyHostname(host)
	if err != nil && roots != nil && matchCommonName(leaf, host) {
		return nil
	}
	return err
}

func matchCommonName(leaf *x509.Certificate, host string) bool {
	if len(leaf.DNSNames)+len(leaf.IPAddresses)+len(leaf.EmailAddresses)+len(leaf.URIs) > 0 {
		return false
	}
	name := leaf.Subject.CommonName
	if suffix, ok := strings.CutPrefix(name, "*"); ok {
		_, rest, _ := strings.Cut(host, ".")
		return strings.EqualFold(suffix, "."+rest)
	}
	return strings.EqualFold(name, host)
}
