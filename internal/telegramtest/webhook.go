package telegramtest

import (
	"crypto/x509"

	"github.com/caddy-telegram/telegramwebhook/internal/telegram"
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

	// uploaded is the file of which RootCAs was made, if there was one: the order counts.
	uploaded []*x509.Certificate

	// resolves says that IPAddress is what DNS had for the host, and is asked for
	// again from time to time.
	resolves bool
}

// Request returns the bytes that Telegram writes to deliver an update, or nil
// when it would write none: the URL is not one, or request line and headers have
// more than telegram.MaxHead bytes.
func Request(w Webhook, update []byte) []byte {
	t, err := telegram.ParseTarget(w.URL)
	if err != nil {
		return nil
	}
	return t.Request(w.Secret, update)
}
