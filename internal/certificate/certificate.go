// Package certificate knows which certificate a webhook uploads, and whether that fits
// what its site serves.
package certificate

import (
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"slices"
	"sync/atomic"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddypki"
	"github.com/caddyserver/caddy/v2/modules/caddytls"
	"go.uber.org/zap"

	"github.com/caddy-telegram/telegramwebhook/internal/telegram"
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

// CheckConfigured refuses what can never work for the host of an address. Caddy's own CA
// puts an IP address into an iPAddress entry alone, and with an upload that counts for
// nothing.
func CheckConfigured(configured, address string) error {
	target, _ := telegram.ParseTarget(address)
	if configured != Internal || !isIP(target.Host) {
		return nil
	}
	return fmt.Errorf("internal: Telegram does not connect to the IP address %s with a certificate of Caddy's own CA; %s",
		target.Host, forAddress(target.Host))
}

func isIP(host string) bool {
	_, err := netip.ParseAddr(host)
	return err == nil
}

// forAddress is what to do for a host that is an IP address.
func forAddress(host string) string {
	return "get a publicly trusted short-lived one (Let's Encrypt's profile shortlived over HTTP-01, with Caddy 2.10.1 or later), " +
		"or upload a self-signed one that the site serves, made with -subj /CN=" + host
}

// Watch remembers what is wrong with the certificate of a webhook's site, so that it is
// told once. The zero value is ready for use.
type Watch struct{ fault atomic.Pointer[fault] }

type fault struct{ detail, remedy string }

func (f fault) String() string { return f.detail + "; " + f.remedy }

// Advice tells of what is wrong, and what to do; empty if nothing is.
func (w *Watch) Advice() string {
	if f := w.fault.Load(); f != nil {
		return f.String()
	}
	return ""
}

// Look compares an upload with what Caddy serves for an address, and returns why it must
// not be made. It warns of what else is wrong.
func (w *Watch) Look(address string, upload []byte, policies caddytls.ConnectionPolicies, logger *zap.Logger) error {
	target, _ := telegram.ParseTarget(address)
	f, err := judge(target.ServerName(), upload, policies)
	if last := w.fault.Swap(f); f != nil && (last == nil || *f != *last) {
		logger.Warn("certificate needs attention", zap.String("detail", f.detail), zap.String("remedy", f.remedy))
	}
	return err
}

func judge(host string, upload []byte, policies caddytls.ConnectionPolicies) (*fault, error) {
	needless := fault{"needless upload: this site's certificate is publicly trusted",
		"take the line certificate out, or deliveries fail when the issuer changes"}
	missing := fault{"this site's certificate is not publicly trusted, so Telegram will not connect",
		"for development, upload it with the line certificate internal or certificate <pem file>"}
	if isIP(host) {
		missing.remedy = forAddress(host)
	}
	served := chains(host)
	trusted := len(served) > 0 && publiclyTrusted(served[0], host)
	if len(upload) > 0 {
		uploaded, err := telegram.ParseUpload(upload)
		if err == nil {
			err = telegram.CheckUpload(uploaded, served, host)
		}
		switch {
		case err != nil && trusted:
			return nil, errors.New(needless.String())
		case err != nil:
			return nil, err
		case trusted:
			return &needless, nil
		}
	}
	switch {
	case len(served) == 0: // TLS ends elsewhere, or the certificate is yet to come
		return nil, nil
	case !trusted && len(upload) == 0:
		return &missing, nil
	case needsServerName(host, policies):
		return &fault{"handshakes without a server name may fail, and Telegram sends none to an IP address",
			"set default_sni " + host + " in the global options"}, nil
	}
	return nil, nil
}

// chains returns what Caddy may serve for a host, each with its leaf first.
func chains(host string) (served [][]*x509.Certificate) {
	for _, c := range caddytls.AllMatchingCertificates(host) {
		if chain, err := x509.ParseCertificates(slices.Concat(c.Certificate.Certificate...)); err == nil && len(chain) > 0 {
			served = append(served, chain)
		}
	}
	return served
}

// publiclyTrusted reports whether the system, and so probably Telegram, trusts a
// chain, the leaf first.
func publiclyTrusted(chain []*x509.Certificate, host string) bool {
	intermediates := x509.NewCertPool()
	for _, c := range chain[1:] {
		intermediates.AddCert(c)
	}
	_, err := chain[0].Verify(x509.VerifyOptions{DNSName: host, Intermediates: intermediates})
	return err == nil
}

// needsServerName reports whether Caddy may have no certificate for a host in a handshake
// without a server name. It then looks for the address at which the connection arrived,
// which is another one behind NAT, and for default_sni.
func needsServerName(host string, policies caddytls.ConnectionPolicies) bool {
	if n := len(policies); n > 0 && policies[n-1].CertSelection != nil {
		return false // the policy for all hosts chooses from all certificates
	}
	return isIP(host) && !isLocal(host) && !slices.ContainsFunc(policies, func(p *caddytls.ConnectionPolicy) bool {
		return p.DefaultSNI == host || p.FallbackSNI == host
	})
}

func isLocal(host string) bool {
	addrs, _ := net.InterfaceAddrs()
	return slices.ContainsFunc(addrs, func(a net.Addr) bool {
		ipNet, ok := a.(*net.IPNet)
		return ok && ipNet.IP.String() == host
	})
}
