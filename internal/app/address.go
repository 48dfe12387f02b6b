package app

import (
	"cmp"
	"errors"
	"maps"
	"net/netip"
	"slices"
	"strings"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"go.uber.org/zap"

	"github.com/caddy-telegram/telegramwebhook/internal/site"
	"github.com/caddy-telegram/telegramwebhook/internal/telegram"
)

// main returns the gate at which the webhook is registered, and its place: one that
// speaks HTTPS if there is one, on https's own port if there are several.
func (w *Webhook) main() (gate, site.Place) {
	gates := w.httpsGates()
	if len(gates) == 0 {
		gates = w.gates
	}
	g := slices.MinFunc(gates, func(x, y gate) int { // Caddy provisions servers in no order
		return cmp.Or(cmp.Compare(w.distance(x), w.distance(y)), slices.Compare(x.server.Listen, y.server.Listen))
	})
	return g, w.app.places()[g.Gate]
}

// distance is 0 for a gate on https's own port.
func (w *Webhook) distance(g gate) int {
	if w.app.listens(g.server, caddyhttp.DefaultHTTPSPort) {
		return 0
	}
	return 1
}

func (w *Webhook) httpsGates() (gates []gate) {
	for _, g := range w.gates {
		if len(g.server.TLSConnPolicies) > 0 {
			gates = append(gates, g)
		}
	}
	return gates
}

// findAddress returns the webhook's public address. The error quotes the routes, which may
// contain a token.
func (w *Webhook) findAddress() (found location) {
	g, place := w.main()
	if w.polls() {
		return w.findLocalAddress()
	}
	given, needsTLS := "", false
	if r := w.settings.Registration; r != nil {
		given, needsTLS = r.URL, !site.IsAddress(r.URL)
	}
	var err error
	found.address, err = site.URL(g.server, place, given)
	switch {
	case err != nil || !needsTLS:
	case len(g.server.TLSConnPolicies) == 0:
		err = errors.New("this site does not speak HTTPS itself; set url to the webhook's whole public address")
	case len(w.httpsGates()) > 1 && !w.app.listens(g.server, caddyhttp.DefaultHTTPSPort):
		err = errors.New("this webhook is on several HTTPS servers; set url to its whole public address")
	}
	if err != nil {
		found = location{fault: errors.New("url: " + w.HidePath(err.Error()))}
	}
	return found
}

// findLocalAddress returns the address to which this process sends the updates that it has
// fetched: the webhook's own host and path, or the path of url where several lead here.
func (w *Webhook) findLocalAddress() location {
	g, place := w.main()
	place.Hosts = []string{place.OneHost()}
	address, err := site.URL(g.server, place, "")
	if given := w.settings.Registration.URL; err != nil && given != "" {
		if target, parseErr := telegram.ParseTarget(given); parseErr == nil && site.IsAddress(given) {
			given = target.Query
		}
		address, err = site.URL(g.server, place, given)
	}
	if err != nil {
		return location{fault: errors.New("url: " + w.HidePath(err.Error()))}
	}
	return location{address: address}
}

// inside sends requests to an address of the webhook inside the process.
func (w *Webhook) inside(target telegram.Target) site.Inside {
	g, _ := w.main()
	server := w.app.serverOf(target, g.server)
	return site.Inside{
		Server: server, Target: target, Client: w.client(),
		OverTLS: len(server.TLSConnPolicies) > 0 && w.app.listenPort(target.Port) != cmp.Or(w.app.http.HTTPPort, caddyhttp.DefaultHTTPPort),
	}
}

// client is one of Telegram's addresses, since routes may match on the client's address.
func (w *Webhook) client() netip.Addr {
	if r := w.settings.Registration; r != nil && r.Account.Local() {
		return netip.AddrFrom4([4]byte{127, 0, 0, 1})
	}
	return telegram.Ranges[0].Addr().Next()
}

// listenPort returns the port on which Caddy listens for that of an address.
func (a *App) listenPort(port int) int {
	switch {
	case port == caddyhttp.DefaultHTTPSPort && a.http.HTTPSPort != 0:
		return a.http.HTTPSPort
	case port == caddyhttp.DefaultHTTPPort && a.http.HTTPPort != 0:
		return a.http.HTTPPort
	}
	return port
}

// serverOf returns the server that takes requests for an address: one that listens on its port
// and has a site for its host, preferably the gate's own. If ports are mapped, no server may
// listen there.
func (a *App) serverOf(target telegram.Target, own *caddyhttp.Server) *caddyhttp.Server {
	candidates := []*caddyhttp.Server{own}
	for _, name := range slices.Sorted(maps.Keys(a.http.Servers)) {
		candidates = append(candidates, a.http.Servers[name])
	}
	candidates = slices.DeleteFunc(candidates, func(server *caddyhttp.Server) bool { return !a.listens(server, target.Port) })
	for _, server := range candidates {
		if site.HasSite(server, target.ServerName()) {
			return server
		}
	}
	return append(candidates, own)[0]
}

// listens reports whether a server listens on the port of an address.
func (a *App) listens(server *caddyhttp.Server, port int) bool {
	return slices.ContainsFunc(server.Listen, func(listen string) bool {
		address, err := caddy.ParseNetworkAddress(listen)
		wanted := uint(a.listenPort(port))
		return err == nil && address.StartPort <= wanted && wanted <= address.EndPort
	})
}

// warnOfPlaces warns of handlers that keep updates from the webhook, and of a token
// in its path.
func (w *Webhook) warnOfPlaces() {
	for _, g := range w.gates {
		place := w.app.places()[g.Gate]
		for _, handler := range place.InFront {
			w.logger.Warn("handler in front of telegram_webhook answers Telegram's requests", w.NameField(),
				zap.String("handler", string(handler.(caddy.Module).CaddyModule().ID)),
				zap.String("remedy", "put telegram_webhook before it in a route block, or give the bot a site of its own"))
		}
		if paths := strings.Join(place.Paths, " "); telegram.HideTokens(paths) != paths {
			w.logger.Warn("bot token in the webhook's path", w.NameField(),
				zap.String("remedy", "take another path and revoke the token with @BotFather: a path is in the logs of every proxy on the way, and the secret header does its work"))
		}
	}
}
