package audit

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"github.com/caddy-telegram/telegramwebhook/internal/printable"
)

func (a *audit) checkCertificate(ctx context.Context) Finding {
	if !a.Target.TLS {
		return warn("none: the url begins with http://", "use https; only a local Bot API server sends to http")
	}
	var first *x509.Certificate // to expire
	for _, ip := range a.addresses {
		conn, err := a.connect(ctx, ip, a.Target, true)
		if bad, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
			a.connected, a.untrusted = true, bad.Err
			return a.judgeUntrusted(ip)
		}
		if err != nil {
			return fail(fmt.Sprintf("no TLS at %s: %s", ip, a.line(err.Error())),
				remedyFor(err, "serve https on this port, with a certificate for this host"))
		}
		a.connected = true
		leaf := conn.Conn.(*tls.Conn).ConnectionState().PeerCertificates[0]
		_ = conn.Close()
		if first == nil || leaf.NotAfter.Before(first.NotAfter) {
			first = leaf
		}
	}
	left := time.Until(first.NotAfter)
	seen := fmt.Sprintf("trusted, for this host, %s left", printable.Span(left))
	// Caddy renews in the last third of a certificate's life, be it 90 days or a few.
	if left < min(14*24*time.Hour, first.NotAfter.Sub(first.NotBefore)/6) {
		return warn(seen, "renew it, and find out why that did not happen automatically")
	}
	return pass(seen)
}

func (a *audit) judgeUntrusted(ip netip.Addr) Finding {
	_, unknownAuthority := errors.AsType[x509.UnknownAuthorityError](a.untrusted)
	if unknownAuthority && a.Status != nil && a.Status.Telegram != nil && a.Status.Telegram.Certificate {
		return warn("not trusted by this system, but Telegram has an uploaded certificate",
			"see that this is the uploaded one; --insecure sends the secret anyway")
	}
	remedy := "renew the certificate, or get another one for this host; Telegram does not connect until then"
	if unknownAuthority {
		remedy = "get a certificate from a public CA and serve its intermediates, or upload this one with `certificate`"
	}
	seen := fmt.Sprintf("at %s: %s", ip, a.line(a.untrusted.Error()))
	if a.Insecure {
		return warn(seen, remedy)
	}
	return fail(seen, remedy)
}
