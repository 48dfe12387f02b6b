package audit

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/caddy-telegram/telegramwebhook/internal/boundedlog"
	"github.com/caddy-telegram/telegramwebhook/internal/telegram"
)

// checkAddress tries all of the host's addresses, since Telegram may use any of them, or `ip_address` alone. The later
// checks use the first one that answers.
func (a *audit) checkAddress(ctx context.Context) Finding {
	const maxAddresses = 6
	records, err := a.Lookup(ctx, "ip4", a.Target.ServerName())
	for i, ip := range records {
		records[i] = ip.Unmap()
	}
	tried := records[:min(len(records), maxAddresses)]
	fixed, _ := netip.ParseAddr(a.Status.IPAddress)
	if fixed.IsValid() {
		tried = []netip.Addr{fixed}
	} else if trouble, ok := errors.AsType[*net.DNSError](err); ok && !trouble.IsNotFound {
		return fail("not checked, since DNS cannot be asked: "+a.line(err.Error()), "check this machine's network and name server, and audit again")
	} else if err != nil {
		return fail(a.line("no IPv4 address: "+err.Error()), "give the host an A record; Telegram uses IPv4 only")
	}
	plain := a.Target
	plain.TLS = false // an open port will do
	var silent, remedy string
	for _, ip := range tried {
		conn, err := a.connect(ctx, ip, plain)
		if err != nil {
			silent = cmp.Or(silent, fmt.Sprintf("%s does not answer on port %d: %s", ip, a.Target.Port, a.line(err.Error())))
			remedy = cmp.Or(remedy, remedyFor(err, "start the server, and open the port in firewall and router"))
			continue
		}
		_ = conn.Close()
		a.addresses = append(a.addresses, ip)
	}
	a.connected = len(a.addresses) > 0 && !a.Target.TLS
	moved, advice := a.compareDNS(fixed, records)
	switch i := slices.IndexFunc(a.addresses, telegram.IsReserved); {
	case silent != "" && len(a.addresses) > 0:
		return fail(fmt.Sprintf("%s answers, but %s", a.addresses[0], silent), "start the server there too, or remove that A record")
	case silent != "" && moved != "" && fixed.IsValid():
		return fail(silent+"; "+moved, advice)
	case silent != "":
		return fail(silent, remedy)
	case moved != "":
		return warn(moved, advice)
	case i >= 0 && !a.Status.LocalAPI:
		return warn(fmt.Sprintf("%s answers, but it is not a public address", a.addresses[i]),
			"use a public IPv4 address; Telegram does not reach this one")
	case !a.Status.LocalAPI && !slices.Contains(telegram.Ports, strconv.Itoa(a.Target.Port)):
		return warn(fmt.Sprintf("port %d answers, but Telegram does not send to it", a.Target.Port), "use one of the ports "+strings.Join(telegram.Ports, ", "))
	}
	seen := fmt.Sprintf("%s answers on port %d", a.addresses[0], a.Target.Port)
	if others := len(a.addresses) - 1; others > 0 {
		seen += fmt.Sprintf(", and %d more", others)
	}
	return pass(seen)
}

// compareDNS returns how the address to which Telegram sends differs from the host's A records, and what to do; nothing
// if they agree or Telegram's address is not known. It is fixed if `ip_address` is set.
func (a *audit) compareDNS(fixed netip.Addr, records []netip.Addr) (moved, advice string) {
	used := fixed
	if _, ok := a.Status.AtTelegram(); ok && !fixed.IsValid() {
		used, _ = netip.ParseAddr(a.Status.Telegram.IPAddress) // can be <unknown>
	}
	inDNS := cmp.Or(strings.Trim(fmt.Sprint(records), "[]"), "no address")
	switch {
	case !used.IsValid(), slices.Contains(records, used):
		return "", ""
	case fixed.IsValid():
		return fmt.Sprintf("ip_address %s is not in DNS, which has %s", used, inDNS),
			"correct `ip_address` or leave it out, or correct the A record"
	}
	return fmt.Sprintf("Telegram still sends to the old address %s; DNS has %s", used, inDNS),
		"keep the server at the old address until Telegram asks DNS again, for about half an hour; after that, `register`"
}

func (a *audit) checkCertificate(ctx context.Context) Finding {
	switch {
	case a.Target.TLS:
	case a.Status.LocalAPI:
		return pass("none, and none is needed: the local Bot API server sends to http")
	default:
		return warn("none: the url begins with http://", "use https; only a local Bot API server sends to http")
	}
	var first *x509.Certificate // to expire
	for _, ip := range a.addresses {
		conn, err := a.connect(ctx, ip, a.Target)
		if err != nil {
			remedy := "serve https on this port, with a certificate for this host"
			if _, err := netip.ParseAddr(a.Target.Host); err == nil {
				remedy += "; Telegram sends no server name to an IP address, so Caddy needs default_sni " + a.Target.Host + " in its global options"
			}
			return fail(fmt.Sprintf("no TLS at %s: %s", ip, a.line(err.Error())), remedyFor(err, remedy))
		}
		_ = conn.Close()
		a.connected = true
		state := conn.(*tls.Conn).ConnectionState()
		if err := a.verify(state); err != nil {
			f := fail(fmt.Sprintf("at %s: %s", ip, a.line(err.Error())), a.remedyForCertificate(err))
			if a.Insecure {
				f.Result = Warn
			}
			return f
		}
		if leaf := state.PeerCertificates[0]; first == nil || leaf.NotAfter.Before(first.NotAfter) {
			first = leaf
		}
	}
	a.trusted = true
	left := time.Until(first.NotAfter)
	seen := fmt.Sprintf("trusted, for this host, %s left", boundedlog.Span(left))
	if a.Status.Certificate != "" {
		seen = "uploaded, " + seen
	}
	// Caddy renews in the last third of a certificate's life, be it 90 days or a few.
	if left < min(14*24*time.Hour, first.NotAfter.Sub(first.NotBefore)/6) {
		return warn(seen, "renew the certificate, and find out why it was not renewed automatically")
	}
	return pass(seen)
}

// verify checks the server's certificate as Telegram does: against the uploaded certificate if the configuration has
// one, which replaces the public authorities.
func (a *audit) verify(state tls.ConnectionState) error {
	chain, host := state.PeerCertificates, a.Target.ServerName()
	if a.Status.Certificate == "" {
		return cmp.Or(telegram.VerifyChain(a.Roots, chain, ""), chain[0].VerifyHostname(host))
	}
	uploaded, err := telegram.ParseUpload([]byte(a.Status.Certificate))
	if err != nil {
		return fmt.Errorf("the certificate to upload %w", err)
	}
	return telegram.VerifyChain(nil, chain, host, uploaded...)
}

func (a *audit) remedyForCertificate(err error) string {
	if a.Status.Certificate != "" {
		return "serve a certificate that the uploaded one signs, or is, or leave out `certificate`; Telegram does not connect until then"
	}
	if _, ok := errors.AsType[x509.UnknownAuthorityError](err); ok {
		return "get a certificate from a public CA and serve its intermediates, or upload this one with `certificate`"
	}
	return "renew the certificate, or get another one for this host; Telegram does not connect until then"
}

// remedyFor adds to the remedy for a dropped connection that the listener wrapper may have penalized this address.
func remedyFor(err error, remedy string) string {
	if errors.Is(err, telegram.ErrClosed) || errors.Is(err, io.EOF) || errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE) {
		return remedy + "; if `penalty` or a firewall drops this address, wait 10 minutes, or audit from elsewhere"
	}
	return remedy
}

// connect opens a connection to a port of the host, with TLS if the target has it. Once the certificate was found good,
// it must stay so, or the secret may go to somebody else.
func (a *audit) connect(ctx context.Context, ip netip.Addr, t telegram.Target) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second) // an answer may take longer
	defer cancel()
	var config *tls.Config
	if t.TLS {
		config = telegram.TLSConfig(t.ServerName())
		config.InsecureSkipVerify = true // verify replaces the verification
		if a.trusted && !a.Insecure {
			config.VerifyConnection = a.verify
		}
	}
	return telegram.Open(ctx, a.Dial, t.Address(ip.String()), config)
}
