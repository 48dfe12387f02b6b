package probe

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"

	"github.com/caddy-telegram/telegramwebhook/internal/botapi"
)

// checkURL finds what setWebhook would refuse.
func (a *audit) checkURL() {
	const check = "url"
	w := botapi.Webhook{URL: a.target.String(), Secret: cmp.Or(a.opt.Secret, "none"), MaxConnections: 1}
	if err := w.Check(false); err != nil {
		a.fail(check, a.show(strings.TrimPrefix(err.Error(), "url: ")),
			"register one that Telegram takes; only a local Bot API server takes any port, any address and http")
		return
	}
	a.pass(check, fmt.Sprintf("https on port %d", a.target.Port))
}

// maxAddresses is how many addresses of a host are looked at.
const maxAddresses = 6

// checkAddress finds the addresses and connects to each, since Telegram may take
// any of them. It reports whether there is something to talk to. What follows is
// tried at the first that answers, and only the certificate at the others.
func (a *audit) checkAddress(ctx context.Context) bool {
	const check = "address"
	addrs, err := a.lookup(ctx)
	if err != nil {
		a.fail(check, a.show(err.Error()), "give the host an A record; Telegram uses IPv4 only")
		return false
	}
	var answering, reserved []netip.Addr
	var silent, remedy string
	for _, ip := range addrs {
		conn, err := a.openAt(ctx, ip, a.target, nil)
		if err != nil {
			silent = cmp.Or(silent, fmt.Sprintf("%s does not answer on port %d: %s", ip, a.target.Port, a.show(err.Error())))
			if dropped(err) {
				remedy = a.barred() + "; if not, "
			}
			continue
		}
		_ = conn.Close()
		answering = append(answering, ip)
		if botapi.Reserved(ip) {
			reserved = append(reserved, ip)
		}
	}
	if len(answering) == 0 {
		a.ip = addrs[0]
		a.fail(check, silent, remedy+"start the server, and let the port through firewall and router")
		return false
	}
	a.ip, a.others = answering[0], answering[1:]
	switch {
	case silent != "":
		a.fail(check, fmt.Sprintf("%s answers, but %s", a.ip, silent), "start the server there too, or take the A record away; Telegram may take any of them")
	case len(reserved) > 0:
		a.warn(check, fmt.Sprintf("%s answers, but it is not a public address", reserved[0]),
			"see that others find a public IPv4 address; Telegram does not reach this one")
	case len(a.others) > 0:
		a.pass(check, fmt.Sprintf("%d addresses answer on port %d, %s first", len(answering), a.target.Port, a.ip))
	default:
		a.pass(check, fmt.Sprintf("%s answers on port %d", a.ip, a.target.Port))
	}
	return true
}

// lookup finds the IPv4 addresses of the host: at least one, and not too many.
func (a *audit) lookup(ctx context.Context) (found []netip.Addr, err error) {
	host := a.target.ServerName()
	if ip, err := netip.ParseAddr(host); err == nil {
		if ip = ip.Unmap(); !ip.Is4() {
			return nil, fmt.Errorf("%s is not an IPv4 address", ip)
		}
		return []netip.Addr{ip}, nil
	}
	addrs, err := a.opt.Lookup(ctx, host)
	if dns, ok := errors.AsType[*net.DNSError](err); ok && !dns.IsNotFound {
		return nil, fmt.Errorf("%s cannot be looked up: %s", host, dns.Err)
	}
	for _, ip := range addrs {
		if ip = ip.Unmap(); ip.Is4() && !slices.Contains(found, ip) && len(found) < maxAddresses {
			found = append(found, ip)
		}
	}
	if len(found) == 0 {
		return nil, fmt.Errorf("%s has no IPv4 address", host)
	}
	return found, nil
}
