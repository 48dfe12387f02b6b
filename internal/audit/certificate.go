package audit

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"github.com/caddy-telegram/telegramwebhook/internal/boundedlog"
	"github.com/caddy-telegram/telegramwebhook/internal/telegram"
)

func (a *audit) checkCertificate(ctx context.Context) Finding {
	if !a.Target.TLS {
		return warn("none: the url begins with http://", "use https; only a local Bot API server sends to http")
	}
	var first *x509.Certificate // to expire
	for _, ip := range a.addresses {
		leaf, err := a.handshake(ctx, ip)
		if leaf == nil {
			remedy := "serve https on this port, with a certificate for this host"
			if _, err := netip.ParseAddr(a.Target.Host); err == nil {
				remedy += "; to an IP address Telegram sends no server name, so Caddy needs default_sni " + a.Target.Host + " in its global options"
			}
			return fail(fmt.Sprintf("no TLS at %s: %s", ip, a.line(err.Error())), remedyFor(err, remedy))
		}
		a.connected = true
		if err != nil {
			a.untrusted = err
			return a.judgeUntrusted(ip, leaf, err)
		}
		if first == nil || leaf.NotAfter.Before(first.NotAfter) {
			first = leaf
		}
	}
	left := time.Until(first.NotAfter)
	seen := fmt.Sprintf("trusted, for this host, %s left", boundedlog.Span(left))
	// Caddy renews in the last third of a certificate's life, be it 90 days or a few.
	if left < min(14*24*time.Hour, first.NotAfter.Sub(first.NotBefore)/6) {
		return warn(seen, "renew it, and find out why that did not happen automatically")
	}
	return pass(seen)
}

// handshake returns the server's certificate, nil if there is no TLS, and why it is
// not trusted.
func (a *audit) handshake(ctx context.Context, ip netip.Addr) (*x509.Certificate, error) {
	host := a.Target.ServerName()
	conn, err := a.connect(ctx, ip, a.Target, false)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	chain := conn.(*tls.Conn).ConnectionState().PeerCertificates
	return chain[0], cmp.Or(telegram.VerifyChain(a.Roots, chain, ""), chain[0].VerifyHostname(host))
}

func (a *audit) judgeUntrusted(ip netip.Addr, leaf *x509.Certificate, err error) Finding {
	_, unknownAuthority := errors.AsType[x509.UnknownAuthorityError](err)
	_, otherHost := errors.AsType[x509.HostnameError](err)
	remedy := "renew the certificate, or get another one for this host; Telegram does not connect until then"
	if unknownAuthority {
		remedy = "get a certificate from a public CA and serve its intermediates, or upload this one with `certificate`"
	}
	seen := fmt.Sprintf("at %s: %s", ip, a.line(err.Error()))
	if a.Status != nil && a.Status.Telegram != nil && a.Status.Telegram.Certificate && (unknownAuthority || otherHost) {
		if telegram.MatchesHost(leaf, a.Target.ServerName()) {
			return warn("not trusted by this system, but Telegram has an uploaded certificate",
				"see that this is the uploaded one; --insecure sends the secret anyway")
		}
		seen = fmt.Sprintf("at %s: not for %s: with an upload only DNS names count, or the common name if there are none", ip, a.Target.Host)
	}
	if a.Insecure {
		return warn(seen, remedy)
	}
	return fail(seen, remedy)
}
