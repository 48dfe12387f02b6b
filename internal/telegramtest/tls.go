package telegramtest

import (
	"crypto/tls"
	"crypto/x509"

	"github.com/caddy-telegram/telegramwebhook/internal/telegram"
)

// tlsConfig returns the TLS settings for a webhook. The trust store of an uploaded
// certificate replaces the system's, and then the host is compared in another way.
func tlsConfig(host string, store *x509.CertPool, uploaded []*x509.Certificate) *tls.Config {
	c := telegram.TLSConfig(host)
	if store == nil {
		return c
	}
	c.InsecureSkipVerify = true // VerifyConnection does it
	c.VerifyConnection = func(state tls.ConnectionState) error {
		if err := telegram.VerifyChain(store, state.PeerCertificates, host, uploaded...); err != nil {
			return &tls.CertificateVerificationError{UnverifiedCertificates: state.PeerCertificates, Err: err}
		}
		return nil
	}
	return c
}
