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

type fault struct{ text, remedy string }

// Advice tells of what is wrong, and what to do; empty if nothing is.
func (w *Watch) Advice() string {
	if f := w.fault.Load(); f != nil {
		return f.text + "; " + f.remedy
	}
	return ""
}

// Look compares an upload with what Caddy serves for an address, and returns why it must
// not be made. If Caddy has no certificate for the address, TLS ends elsewhere, or the
// certificate is yet to come. Look warns of what else is wrong.
func (w *Watch) Look(address string, upload []byte, policies caddytls.ConnectionPolicies, logger *zap.Logger) error {
	target, _ := telegram.ParseTarget(address)
	host := target.ServerName()
	var served [][]*x509.Certificate
	for _, c := range caddytls.AllMatchingCertificates(host) {
		if chain, err := x509.ParseCertificates(slices.Concat(c.Certificate.Certificate...)); err == nil && len(chain) > 0 {
			served = append(served, chain)
		}
	}
	if len(upload) > 0 {
		uploaded, err := telegram.ParseUpload(upload)
		if err != nil {
			return err
		}
		if err := telegram.CheckUpload(uploaded, served, host); err != nil {
			return err
		}
	}
	if len(served) == 0 {
		return nil
	}
	f := judge(host, served[0], len(upload) > 0)
	if f == nil {
		f = judgeSNI(host, policies)
	}
	if last := w.fault.Swap(f); f != nil && (last == nil || *f != *last) {
		logger.Warn(f.text, zap.String("remedy", f.remedy))
	}
	return nil
}

// judge says what is wrong with uploading, or not uploading, a certificate.
func judge(host string, chain []*x509.Certificate, uploaded bool) *fault {
	switch trusted := publiclyTrusted(chain, host); {
	case trusted && uploaded:
		return &fault{"a certificate is uploaded although this site's is publicly trusted",
			"take the line certificate out, or deliveries fail when the issuer changes"}
	case !trusted && !uploaded && isIP(host):
		return &fault{notTrusted, forAddress(host)}
	case !trusted && !uploaded:
		return &fault{notTrusted, "for development, upload it with the line certificate internal or certificate <pem file>"}
	}
	return nil
}

const notTrusted = "this site's certificate is not publicly trusted, so Telegram will not connect"

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

// judgeSNI finds a site that is an IP address for which Caddy has no certificate in a
// handshake without a server name, and Telegram sends none to an address. Caddy then looks
// for the address at which the connection has arrived, which behind NAT is another one.
func judgeSNI(host string, policies caddytls.ConnectionPolicies) *fault {
	if !isIP(host) || isLocal(host) || slices.ContainsFunc(policies, func(p *caddytls.ConnectionPolicy) bool {
		return p.DefaultSNI == host || p.FallbackSNI == host
	}) {
		return nil
	}
	if n := len(policies); n > 0 && policies[n-1].CertSelection != nil {
		return nil // it chooses from all certificates
	}
	return &fault{"this site is an IP address that this machine does not have, so Telegram's handshakes fail: they have no server name",
		"set default_sni " + host + " in the global options"}
}

func isLocal(host string) bool {
	addrs, _ := net.InterfaceAddrs()
	return slices.ContainsFunc(addrs, func(a net.Addr) bool {
		ipNet, ok := a.(*net.IPNet)
		return ok && ipNet.IP.String() == host
	})
}
