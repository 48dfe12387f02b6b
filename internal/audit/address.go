package audit

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"github.com/caddy-telegram/telegramwebhook/internal/telegram"
)

// Telegram may use any of the host's addresses, so all are tried. The checks that
// follow use the first one that answers.
func (address) run(ctx context.Context, a *audit) Finding {
	const maxAddresses = 6
	all, err := a.Lookup(ctx, "ip4", a.Target.ServerName())
	if err != nil {
		return fail(a.line(err.Error()), "give the host an A record; Telegram uses IPv4 only")
	}
	var silent, remedy string
	for _, ip := range all[:min(len(all), maxAddresses)] {
		ip = ip.Unmap()
		conn, err := a.connect(ctx, ip, a.Target, nil)
		if err != nil {
			silent = cmp.Or(silent, fmt.Sprintf("%s does not answer on port %d: %s", ip, a.Target.Port, a.line(err.Error())))
			remedy = cmp.Or(remedy, remedyFor(err, "start the server, and open the port in firewall and router"))
			continue
		}
		_ = conn.Close()
		a.addresses = append(a.addresses, ip)
	}
	a.connected = reachable(a) && !a.Target.TLS
	switch i := slices.IndexFunc(a.addresses, telegram.IsReserved); {
	case silent != "" && reachable(a):
		return fail(fmt.Sprintf("%s answers, but %s", a.addresses[0], silent), "start the server there too, or remove that A record")
	case silent != "":
		return fail(silent, remedy)
	case i >= 0:
		return warn(fmt.Sprintf("%s answers, but it is not a public address", a.addresses[i]),
			"use a public IPv4 address; Telegram does not reach this one")
	}
	seen := fmt.Sprintf("%s answers on port %d", a.addresses[0], a.Target.Port)
	if others := len(a.addresses) - 1; others > 0 {
		seen += fmt.Sprintf(", and %d more", others)
	}
	return pass(seen)
}
