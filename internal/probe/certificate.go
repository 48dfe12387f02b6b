package probe

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/caddy-telegram/telegramwebhook/internal/printable"
	"github.com/caddy-telegram/telegramwebhook/internal/wire"
)

const (
	// expiresSoon is what a certificate is to have left: less means that it is
	// not renewed by itself. Those that live for a few days only are to have a
	// sixth of their life left.
	expiresSoon  = 14 * 24 * time.Hour
	shareOfALife = 6
)

// checkCertificate reports whether there is TLS to talk over.
func (a *audit) checkCertificate(ctx context.Context) bool {
	const check = "certificate"
	const remedy = "serve https on this port, with a certificate for this host"
	conn, err := a.open(ctx, a.target, a.offer(tls.VersionTLS10, tls.VersionTLS13))
	switch {
	case dropped(err):
		a.fail(check, "no TLS: "+a.why(err), a.barred()+"; if not, "+remedy)
		return false
	case err != nil:
		a.fail(check, "no TLS: "+a.why(err), remedy)
		return false
	}
	defer conn.Close()
	chain := conn.Conn.(*tls.Conn).ConnectionState().PeerCertificates
	if a.verified = wire.Verify(chain, a.target.ServerName(), a.opt.Roots); a.verified != nil {
		a.untrusted(check, chain[0])
		return true
	}
	if trouble := a.checkOthers(ctx); trouble != "" {
		a.fail(check, trouble, "serve the same at all addresses of the host, or take the A record away; Telegram may take any of them")
		return true
	}
	leaf := chain[0]
	left := time.Until(leaf.NotAfter)
	seen := fmt.Sprintf("trusted, for this host, %s left", printable.Span(left))
	if a.opt.Roots != nil {
		seen = fmt.Sprintf("trusted by the file of --ca, for this host, %s left", printable.Span(left))
	}
	if left < min(expiresSoon, leaf.NotAfter.Sub(leaf.NotBefore)/shareOfALife) {
		a.warn(check, seen, "renew it, and find out why that did not happen by itself")
		return true
	}
	a.pass(check, seen)
	return true
}

// checkOthers says what is wrong with the certificate at another address.
func (a *audit) checkOthers(ctx context.Context) (trouble string) {
	for _, ip := range a.others {
		conn, err := a.openAt(ctx, ip, a.target, a.offer(tls.VersionTLS10, tls.VersionTLS13))
		if err == nil {
			err = wire.Verify(conn.Conn.(*tls.Conn).ConnectionState().PeerCertificates, a.target.ServerName(), a.opt.Roots)
			_ = conn.Close()
		}
		if err != nil {
			return fmt.Sprintf("trusted at %s, but not at %s: %s", a.ip, ip, a.unverified(err))
		}
	}
	return ""
}

// unverified says why a certificate is not trusted, or why there is none.
func (a *audit) unverified(err error) string {
	if _, ok := errors.AsType[*wire.Error](err); ok || errors.Is(err, wire.ErrClosed) {
		return a.why(err)
	}
	return a.show(strings.TrimPrefix(strings.TrimPrefix(err.Error(), "tls: failed to verify certificate: "), "x509: "))
}

func (a *audit) untrusted(check string, leaf *x509.Certificate) {
	_, otherHost := errors.AsType[x509.HostnameError](a.verified)
	var seen, remedy string
	switch {
	case time.Now().After(leaf.NotAfter):
		seen, remedy = fmt.Sprintf("expired %s ago", printable.Span(time.Since(leaf.NotAfter))), "renew it; Telegram does not connect until then"
	case time.Now().Before(leaf.NotBefore):
		seen, remedy = "not valid yet", "set the clock of the machine that made it, or of this one"
	case otherHost:
		seen, remedy = "for "+a.show(names(leaf))+", not for this host", "get one for the host in the url"
	case a.opt.Roots == nil && a.opt.uploaded():
		a.warn(check, "not trusted by the system, but Telegram has an uploaded certificate, and that one counts",
			"audit with --ca and what was uploaded; for `certificate internal` it is pki/authorities/local/root.crt in Caddy's data folder")
		return
	case leaf.Issuer.String() == leaf.Subject.String():
		seen, remedy = "self-signed, so nobody trusts it", "get one from a public CA; or upload this one to Telegram, and audit with --ca"
	default:
		seen, remedy = "not trusted: "+a.unverified(a.verified),
			"get one from a public CA and serve its intermediates; or upload the root to Telegram, and audit with --ca"
	}
	if a.opt.Insecure {
		a.warn(check, seen+"; accepted by --insecure", remedy)
		return
	}
	a.fail(check, seen, remedy)
}

func names(leaf *x509.Certificate) string {
	all := leaf.DNSNames
	for _, ip := range leaf.IPAddresses {
		all = append(all, ip.String())
	}
	if len(all) == 0 {
		return leaf.Subject.CommonName
	}
	return strings.Join(all, ", ")
}

// checkVersions tries each version of TLS on its own.
func (a *audit) checkVersions(ctx context.Context) {
	const (
		check  = "tls"
		remedy = "offer TLS 1.2 and 1.3, and nothing older"
	)
	offered := func(least, most uint16) bool {
		conn, err := a.open(ctx, a.target, a.offer(least, most))
		if err != nil {
			return false
		}
		_ = conn.Close()
		return true
	}
	old := offered(tls.VersionTLS10, tls.VersionTLS11)
	two, three := offered(tls.VersionTLS12, tls.VersionTLS12), offered(tls.VersionTLS13, tls.VersionTLS13)
	switch {
	case old && !two && !three:
		a.fail(check, "only 1.1 or older, so Telegram does not connect", remedy)
	case old:
		a.fail(check, "1.1 or older is accepted", remedy)
	case !two:
		a.warn(check, "1.2 is not offered", remedy)
	case !three:
		a.warn(check, "1.3 is not offered", remedy)
	default:
		a.pass(check, "1.2 and 1.3, nothing older")
	}
}

// offer asks for TLS of certain versions, with every cipher there is, so that a
// server that still takes a broken one is found.
func (a *audit) offer(least, most uint16) *tls.Config {
	c := a.anyCertificate(a.target)
	c.MinVersion, c.MaxVersion = least, most
	for _, suite := range append(tls.CipherSuites(), tls.InsecureCipherSuites()...) {
		c.CipherSuites = append(c.CipherSuites, suite.ID)
	}
	return c
}
