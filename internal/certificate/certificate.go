// Package certificate loads the certificate that a webhook uploads, and compares it with the ones that its site serves.
package certificate

import (
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddypki"
	"github.com/caddyserver/caddy/v2/modules/caddytls"
	"github.com/caddyserver/certmagic"
	"go.uber.org/zap"

	"github.com/caddy-telegram/telegramwebhook/internal/telegram"
)

// Internal stands for the root of Caddy's own CA in a configuration.
const Internal = "internal"

// Load returns the certificate to upload, in PEM form: that of the file, or the root of Caddy's own CA as it is now;
// nil if none is configured.
func Load(ctx caddy.Context, configured string) ([]byte, error) {
	switch configured {
	case "":
		return nil, nil
	case Internal:
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
	content, err := os.ReadFile(configured)
	if path, ok := errors.AsType[*fs.PathError](err); ok {
		err = fmt.Errorf("%s cannot be read: %w", telegram.Quote(path.Path), path.Err)
	}
	return content, err
}

// CheckConfigured refuses Caddy's own CA for an address with an IP address: it writes an iPAddress entry alone, and
// after an upload Telegram compares names.
func CheckConfigured(configured, address string) error {
	target, _ := telegram.ParseTarget(address)
	if configured != Internal || net.ParseIP(target.Host) == nil {
		return nil
	}
	return errors.New("internal: Telegram does not connect to an IP address with a certificate of Caddy's own CA; get a publicly trusted short-lived one " +
		"(Let's Encrypt's profile shortlived over HTTP-01, with Caddy 2.10.1 or later), or upload a self-signed one that the site serves, " +
		"made with -subj /CN=" + target.Host)
}

// Watch looks at the certificate of a webhook's site. The zero value is ready for use.
type Watch struct{ advice atomic.Value }

// Advice returns the fault of the last look and its remedy; empty if there was none.
func (w *Watch) Advice() string {
	advice, _ := w.advice.Load().(string)
	return advice
}

// Look compares an upload, nil for none, with what Caddy serves for an address, and returns why it must not be made. It
// warns of what else is wrong, once.
func (w *Watch) Look(address string, upload []byte, policies caddytls.ConnectionPolicies, logger *zap.Logger) error {
	target, _ := telegram.ParseTarget(address)
	advice, err := judge(target.ServerName(), upload, policies, 30)
	if last := w.advice.Swap(advice); advice != "" && advice != last {
		logger.Warn("certificate needs attention", zap.String("remedy", advice))
	}
	return err
}

func judge(host string, upload []byte, policies caddytls.ConnectionPolicies, tries int) (advice string, unfit error) {
	const needless = "this site's certificate is publicly trusted; take the line certificate out, or deliveries fail when the issuer changes"
	served := chains(caddytls.AllMatchingCertificates(host), host)
	trusted := len(served) > 0 && telegram.VerifyChain(nil, served[0], "") == nil && served[0][0].VerifyHostname(host) == nil
	if upload != nil {
		unfit = telegram.CheckUpload(upload, served, host)
	}
	switch {
	case unfit != nil && len(served) > 1 && tries > 1: // just after a reload, Caddy still has those of the configuration before
		time.Sleep(100 * time.Millisecond)
		return judge(host, upload, policies, tries-1)
	case unfit != nil && trusted:
		return "", errors.New(needless)
	case unfit != nil, len(served) == 0: // without any, TLS ends elsewhere, or the certificate is yet to come
		return "", unfit
	case upload != nil && trusted:
		return needless, nil
	case upload == nil && !trusted:
		return "this site's certificate is not publicly trusted, so Telegram will not connect; " +
			"for development, upload it with the line certificate internal or certificate <pem file>", nil
	case needsServerName(host, policies):
		return "Telegram sends no server name to an IP address, and handshakes without one may fail here; " +
			"set default_sni " + host + " in the global options", nil
	}
	return "", nil
}

// chains returns what Caddy may serve for a host, each with its leaf first: of wildcards none if there is one for the
// very name, and none that has expired if there is another.
func chains(loaded []certmagic.Certificate, host string) (served [][]*x509.Certificate) {
	for _, c := range loaded {
		if slices.Contains(c.Names, host) != slices.Contains(loaded[0].Names, host) || len(loaded) > 1 && c.Expired() {
			continue
		}
		if chain, err := x509.ParseCertificates(slices.Concat(c.Certificate.Certificate...)); err == nil && len(chain) > 0 {
			served = append(served, chain)
		}
	}
	return served
}

// needsServerName reports whether Caddy may find no certificate for a host that is an IP address: without a server name
// it looks for the address at which the connection arrived, which is another one behind NAT, and for default_sni.
func needsServerName(host string, policies caddytls.ConnectionPolicies) bool {
	if n := len(policies); n > 0 && policies[n-1].CertSelection != nil {
		return false // the policy for all hosts chooses from all certificates
	}
	addrs, _ := net.InterfaceAddrs()
	return net.ParseIP(host) != nil && !slices.ContainsFunc(policies, func(p *caddytls.ConnectionPolicy) bool {
		return p.DefaultSNI == host || p.FallbackSNI == host
	}) && !slices.ContainsFunc(addrs, func(a net.Addr) bool { return strings.HasPrefix(a.String(), host+"/") })
}
