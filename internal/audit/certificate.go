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
	switch {
	case a.Target.TLS:
	case a.localAPI():
		return pass("none, and none is needed: the local Bot API server sends to http")
	default:
		return warn("none: the url begins with http://", "use https; only a local Bot API server sends to http")
	}
	var first *x509.Certificate // to expire
	for _, ip := range a.addresses {
		leaf, err := a.handshake(ctx, ip)
		if leaf == nil {
			remedy := "serve https on this port, with a certificate for this host"
			if _, err := netip.ParseAddr(a.Target.Host); err == nil {
				remedy += "; Telegram sends no server name to an IP address, so Caddy needs default_sni " + a.Target.Host + " in its global options"
			}
			return fail(fmt.Sprintf("no TLS at %s: %s", ip, a.line(err.Error())), remedyFor(err, remedy))
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
	seen := fmt.Sprintf("trusted, for this host, %s left", boundedlog.Span(left))
	if a.uploads() {
		seen = "uploaded, " + seen
	}
	// Caddy renews in the last third of a certificate's life, be it 90 days or a few.
	if left < min(14*24*time.Hour, first.NotAfter.Sub(first.NotBefore)/6) {
		return warn(seen, "renew the certificate, and find out why it was not renewed automatically")
	}
	return pass(seen)
}

// handshake returns the server's certificate, nil without TLS, and why it is not trusted.
func (a *audit) handshake(ctx context.Context, ip netip.Addr) (*x509.Certificate, error) {
	conn, err := a.connect(ctx, ip, a.Target, false)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	state := conn.(*tls.Conn).ConnectionState()
	return state.PeerCertificates[0], a.verify(state)
}

// verify checks the server's certificate as Telegram does: against the uploaded certificate
// if the configuration has one, which replaces the public authorities.
func (a *audit) verify(state tls.ConnectionState) error {
	chain, host := state.PeerCertificates, a.Target.ServerName()
	if !a.uploads() {
		return cmp.Or(telegram.VerifyChain(a.Roots, chain, ""), chain[0].VerifyHostname(host))
	}
	uploaded, store, err := telegram.ParseUpload([]byte(a.Status.Certificate))
	if err != nil {
		return fmt.Errorf("the certificate to upload %w", err)
	}
	return telegram.VerifyChain(store, chain, host, uploaded...)
}

// uploads reports whether Telegram gets a certificate uploaded.
func (a *audit) uploads() bool { return a.Status != nil && a.Status.Certificate != "" }

func (a *audit) judgeUntrusted(ip netip.Addr, err error) Finding {
	remedy := "renew the certificate, or get another one for this host; Telegram does not connect until then"
	if a.uploads() {
		remedy = "serve a certificate that the uploaded one signs, or is, or leave out `certificate`; Telegram does not connect until then"
	} else if _, ok := errors.AsType[x509.UnknownAuthorityError](err); ok {
		remedy = "get a certificate from a public CA and serve its intermediates, or upload this one with `certificate`"
	}
	f := fail(fmt.Sprintf("at %s: %s", ip, a.line(err.Error())), remedy)
	if a.Insecure {
		f.Result = Warn
	}
	return f
}
