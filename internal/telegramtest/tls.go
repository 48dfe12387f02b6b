package telegramtest

import (
	"crypto/tls"
	"crypto/x509"

	"github.com/caddy-telegram/telegramwebhook/internal/telegram"
)

// tlsConfig returns the TLS settings for a webhook. Roots, those of an uploaded
// certificate, replace the system's, and then the host is compared in another way.
func tlsConfig(host string, roots *x509.CertPool) *tls.Config {
	c := telegram.TLSConfig(host)
	if roots == nil {
		return c
	}
	c.InsecureSkipVerify = true // VerifyConnection does it
	c.VerifyConnection = func(state tls.ConnectionState) error {
		chain := state.PeerCertificates
		opts := x509.VerifyOptions{Roots: roots, Intermediates: x509.NewCertPool()}
		for _, ca := range chain[1:] {
			opts.Intermediates.AddCert(ca)
		}
		_, err := chain[0].Verify(opts)
		if err == nil && !telegram.MatchesHost(chain[0], host) {
			err = x509.HostnameError{Certificate: chain[0], Host: host}
		}
		if err != nil {
			return &tls.CertificateVerificationError{UnverifiedCertificates: chain, Err: err}
		}
		return nil
	}
	return c
}
