package audit

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/caddy-telegram/telegramwebhook/internal/status"
	"github.com/caddy-telegram/telegramwebhook/internal/telegram"
)

// checkAddress tries all of the host's addresses, since Telegram may use any of them, or
// `ip_address` alone. The later checks use the first one that answers.
func (a *audit) checkAddress(ctx context.Context) Finding {
	const maxAddresses = 6
	records, err := a.Lookup(ctx, "ip4", a.Target.ServerName())
	for i, ip := range records {
		records[i] = ip.Unmap()
	}
	used, fixed := usedAddress(a.Status)
	tried := records[:min(len(records), maxAddresses)]
	if fixed {
		tried = []netip.Addr{used}
	} else if trouble, ok := errors.AsType[*net.DNSError](err); ok && !trouble.IsNotFound {
		return fail("not checked, since DNS cannot be asked: "+a.line(err.Error()), "check this machine's network and name server, and audit again")
	} else if err != nil {
		return fail(a.line("no IPv4 address: "+err.Error()), "give the host an A record; Telegram uses IPv4 only")
	}
	plain := a.Target
	plain.TLS = false // an open port will do
	var silent, remedy string
	for _, ip := range tried {
		conn, err := a.connect(ctx, ip, plain, false)
		if err != nil {
			silent = cmp.Or(silent, fmt.Sprintf("%s does not answer on port %d: %s", ip, a.Target.Port, a.line(err.Error())))
			remedy = cmp.Or(remedy, remedyFor(err, "start the server, and open the port in firewall and router"))
			continue
		}
		_ = conn.Close()
		a.addresses = append(a.addresses, ip)
	}
	a.connected = len(a.addresses) > 0 && !a.Target.TLS
	moved, advice := compareDNS(used, fixed, records)
	switch i := slices.IndexFunc(a.addresses, telegram.IsReserved); {
	case silent != "" && len(a.addresses) > 0:
		return fail(fmt.Sprintf("%s answers, but %s", a.addresses[0], silent), "start the server there too, or remove that A record")
	case silent != "" && moved != "" && fixed:
		return fail(silent+"; "+moved, advice)
	case silent != "":
		return fail(silent, remedy)
	case moved != "":
		return warn(moved, advice)
	case i >= 0 && !a.localAPI():
		return warn(fmt.Sprintf("%s answers, but it is not a public address", a.addresses[i]),
			"use a public IPv4 address; Telegram does not reach this one")
	}
	if !a.localAPI() && !slices.Contains(telegram.Ports, strconv.Itoa(a.Target.Port)) {
		return warn(fmt.Sprintf("port %d answers, but Telegram does not send to it", a.Target.Port), "use one of the ports "+strings.Join(telegram.Ports, ", "))
	}
	seen := fmt.Sprintf("%s answers on port %d", a.addresses[0], a.Target.Port)
	if others := len(a.addresses) - 1; others > 0 {
		seen += fmt.Sprintf(", and %d more", others)
	}
	return pass(seen)
}

// localAPI reports whether a local Bot API server sends the updates.
func (a *audit) localAPI() bool { return a.Status != nil && a.Status.LocalAPI }

// compareDNS returns how the address to which Telegram sends differs from a host's A records,
// and what to do; nothing if they agree or Telegram's address is not known.
func compareDNS(used netip.Addr, fixed bool, records []netip.Addr) (moved, advice string) {
	if !used.IsValid() || slices.Contains(records, used) {
		return "", ""
	}
	inDNS := cmp.Or(strings.Trim(fmt.Sprint(records), "[]"), "no address")
	if fixed {
		return fmt.Sprintf("ip_address %s is not in DNS, which has %s", used, inDNS),
			"correct `ip_address` or leave it out, or correct the A record"
	}
	return fmt.Sprintf("Telegram still sends to the old address %s; DNS has %s", used, inDNS),
		"keep the server at the old address until Telegram asks DNS again, for about half an hour; after that, `register`"
}

// usedAddress returns the address to which Telegram sends, if it is known, and whether
// `ip_address` fixes it. Telegram's answer can be <unknown>.
func usedAddress(w *status.Webhook) (used netip.Addr, fixed bool) {
	if w == nil {
		return used, false
	}
	if used, err := netip.ParseAddr(w.IPAddress); err == nil {
		return used, true
	}
	if _, ok := w.AtTelegram(); ok {
		used, _ = netip.ParseAddr(w.Telegram.IPAddress)
	}
	return used, false
}
