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
		leaf, err := a.handshake(ctx, ip)
		if leaf == nil {
			return fail(fmt.Sprintf("no TLS at %s: %s", ip, a.line(err.Error())),
				remedyFor(err, "serve https on this port, with a certificate for this host"))
		}
		a.connected = true
		if err != nil {
			a.untrusted = err
			return a.judgeUntrusted(ip, err)
		}
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

// handshake returns the server's certificate, nil if there is no TLS, and why it is
// not trusted.
func (a *audit) handshake(ctx context.Context, ip netip.Addr) (*x509.Certificate, error) {
	conn, err := a.connect(ctx, ip, a.Target, a.verifying())
	if bad, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		return bad.UnverifiedCertificates[0], bad.Err
	}
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	return conn.Conn.(*tls.Conn).ConnectionState().PeerCertificates[0], nil
}

func (a *audit) judgeUntrusted(ip netip.Addr, err error) Finding {
	_, unknownAuthority := errors.AsType[x509.UnknownAuthorityError](err)
	if unknownAuthority && a.Status != nil && a.Status.Telegram != nil && a.Status.Telegram.Certificate {
		return warn("not trusted by this system, but Telegram has an uploaded certificate",
			"see that this is the uploaded one; --insecure sends the secret anyway")
	}
	remedy := "renew the certificate, or get another one for this host; Telegram does not connect until then"
	if unknownAuthority {
		remedy = "get a certificate from a public CA and serve its intermediates, or upload this one with `certificate`"
	}
	seen := fmt.Sprintf("at %s: %s", ip, a.line(err.Error()))
	if a.Insecure {
		return warn(seen, remedy)
	}
	return fail(seen, remedy)
}
