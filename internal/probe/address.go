package probe

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"

	"github.com/caddy-telegram/telegramwebhook/internal/botapi"
	"github.com/caddy-telegram/telegramwebhook/internal/registrar"
)

// checkURL finds what setWebhook would refuse.
func (a *audit) checkURL() {
	const check = "url"
	w := botapi.Webhook{URL: a.target.String(), Secret: cmp.Or(a.opt.Secret, "none"), MaxConnections: 1}
	if err := registrar.Check(w, false); err != nil {
		a.fail(check, a.show(strings.TrimPrefix(err.Error(), "url: ")),
			"register one that Telegram takes; only a local Bot API server takes any port, any address and http")
		return
	}
	a.pass(check, fmt.Sprintf("https on port %d", a.target.Port))
}

// checkAddress finds the address and connects to it. It reports whether there is
// something to talk to.
func (a *audit) checkAddress(ctx context.Context) bool {
	const check = "address"
	if err := a.lookup(ctx); err != nil {
		a.fail(check, a.show(err.Error()), "give the host an A record; Telegram uses IPv4 only")
		return false
	}
	conn, err := a.open(ctx, a.target, nil)
	if err != nil {
		a.fail(check, fmt.Sprintf("%s does not answer on port %d: %s", a.ip, a.target.Port, a.show(err.Error())),
			"start the server, and let the port through firewall and router")
		return false
	}
	_ = conn.Close()
	if registrar.CheckIPAddress(a.ip.String(), false) != nil {
		a.warn(check, fmt.Sprintf("%s answers, but it is not a public address", a.ip),
			"see that others find a public IPv4 address; Telegram does not reach this one")
		return true
	}
	a.pass(check, fmt.Sprintf("%s answers on port %d", a.ip, a.target.Port))
	return true
}

func (a *audit) lookup(ctx context.Context) error {
	host := a.target.ServerName()
	if ip, err := netip.ParseAddr(host); err == nil {
		if a.ip = ip.Unmap(); !a.ip.Is4() {
			return fmt.Errorf("%s is not an IPv4 address", ip)
		}
		return nil
	}
	addrs, err := a.opt.Lookup(ctx, host)
	if dns, ok := errors.AsType[*net.DNSError](err); ok && !dns.IsNotFound {
		return fmt.Errorf("%s cannot be looked up: %s", host, dns.Err)
	}
	for _, ip := range addrs {
		if a.ip = ip.Unmap(); a.ip.Is4() {
			return nil
		}
	}
	return fmt.Errorf("%s has no IPv4 address", host)
}
