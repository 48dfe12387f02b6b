// Package certificate knows the certificates that a webhook may upload, and
// whether one is needed.
package certificate

import (
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"net/url"
	"os"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddypki"
	"github.com/caddyserver/caddy/v2/modules/caddytls"
	"go.uber.org/zap"
)

// Internal stands for the root of Caddy's own CA in a configuration.
const Internal = "internal"

// Load returns the certificate to upload, in PEM form: that of the file, or the
// root of Caddy's own CA as it is now; nil if none is configured.
func Load(ctx caddy.Context, configured string) ([]byte, error) {
	switch configured {
	case "":
		return nil, nil
	case Internal:
		return internalRoot(ctx)
	}
	content, err := os.ReadFile(configured)
	if err != nil {
		return nil, fmt.Errorf("cannot be read: %w", err)
	}
	return content, nil
}

func internalRoot(ctx caddy.Context) ([]byte, error) {
	app, err := ctx.AppIfConfigured("pki")
	if err != nil {
		return nil, errors.New("internal: Caddy's own CA is not in use; does the site have `tls internal`?")
	}
	ca, err := app.(*caddypki.PKI).GetCA(ctx, caddypki.DefaultCAID)
	if err != nil {
		return nil, fmt.Errorf("internal: %w", err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: ca.RootCertificate().Raw}), nil
}

// Watch warns of a certificate that is uploaded without need, or not uploaded
// although it must be.
type Watch struct{ warned string }

// Look looks at the certificate that is served for an address, and warns once,
// and again when something else is wrong.
func (w *Watch) Look(address string, uploaded bool, logger *zap.Logger) {
	u, err := url.Parse(address)
	if err != nil {
		return
	}
	warning := warning(u.Hostname(), uploaded)
	if warning != "" && warning != w.warned {
		logger.Warn(warning)
	}
	w.warned = warning
}

// warning says what is wrong with uploading, or not uploading, a certificate for
// the host: empty if nothing is, or if Caddy has none for the host yet.
func warning(host string, uploaded bool) string {
	served := caddytls.AllMatchingCertificates(host)
	if len(served) == 0 || served[0].Leaf == nil {
		return ""
	}
	switch trusted := publiclyTrusted(served[0].Certificate.Certificate, host); {
	case trusted && uploaded:
		return "a certificate is uploaded although this site's is publicly trusted; take the line certificate out, or deliveries fail when the issuer changes"
	case !trusted && !uploaded:
		return "this site's certificate is not publicly trusted, so Telegram will not connect; for development, upload it with the line certificate internal or certificate <pem file>"
	}
	return ""
}

// publiclyTrusted reports whether the system, and so probably Telegram, trusts a
// chain, the leaf first.
func publiclyTrusted(chain [][]byte, host string) bool {
	var leaf *x509.Certificate
	intermediates := x509.NewCertPool()
	for _, der := range chain {
		cert, err := x509.ParseCertificate(der)
		if err != nil {
			return false
		}
		if leaf == nil {
			leaf = cert
		} else {
			intermediates.AddCert(cert)
		}
	}
	if leaf == nil {
		return false
	}
	_, err := leaf.Verify(x509.VerifyOptions{DNSName: host, Intermediates: intermediates})
	return err == nil
}
