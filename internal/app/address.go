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

// main returns the gate at which the webhook is registered, and its place: of several the one of the least rank.
func (w *Webhook) main() (gate, site.Place) {
	g := slices.MinFunc(w.gates, func(x, y gate) int { // Caddy provisions servers in no order
		return cmp.Or(cmp.Compare(w.rank(x), w.rank(y)), slices.Compare(x.server.Listen, y.server.Listen))
	})
	return g, w.app.places()[g.Gate]
}

// rank is less for a gate that speaks HTTPS, and then for one on https's own port.
func (w *Webhook) rank(g gate) (rank int) {
	if len(g.server.TLSConnPolicies) == 0 {
		rank += 2
	}
	if !w.app.listens(g.server, caddyhttp.DefaultHTTPSPort) {
		rank++
	}
	return rank
}

// findAddress returns the webhook's address. The error quotes the routes, which may contain a token.
func (w *Webhook) findAddress() location {
	find := w.findPublicAddress
	if w.polls() {
		find = w.findLocalAddress
	}
	address, err := find()
	if err != nil {
		return location{fault: errors.New("url: " + w.HidePath(err.Error()))}
	}
	return location{address: address}
}

func (w *Webhook) findPublicAddress() (string, error) {
	g, place := w.main()
	r := w.settings.Registration
	if r == nil {
		return site.URL(g.server, place, "")
	}
	address, err := site.URL(g.server, place, r.URL)
	switch {
	case err != nil || site.IsAddress(r.URL):
		return address, err
	case len(g.server.TLSConnPolicies) == 0:
		return "", errors.New("this site does not speak HTTPS itself; set url to the webhook's whole public address")
	case slices.ContainsFunc(w.gates, func(other gate) bool { return other.Gate != g.Gate && w.rank(g) == 1 && w.rank(other) == 1 }):
		return "", errors.New("this webhook is on several HTTPS servers; set url to its whole public address")
	}
	return address, nil
}

// findLocalAddress returns the address to which this process sends the updates that it has fetched: the webhook's own
// host and path, or the path of url where several lead here.
func (w *Webhook) findLocalAddress() (string, error) {
	g, place := w.main()
	place.Hosts = []string{place.OneHost()}
	address, err := site.URL(g.server, place, "")
	given := w.settings.Registration.URL
	if err == nil || given == "" {
		return address, err
	}
	if site.IsAddress(given) {
		target, _ := telegram.ParseTarget(given)
		given = target.Query
	}
	return site.URL(g.server, place, given)
}

// inside sends requests to an address of the webhook inside the process. They come from one of Telegram's addresses,
// since routes may match on that.
func (w *Webhook) inside(target telegram.Target) site.Inside {
	client := telegram.Ranges[0].Addr().Next()
	if r := w.settings.Registration; r != nil && r.Account.Local() {
		client = netip.AddrFrom4([4]byte{127, 0, 0, 1})
	}
	g, _ := w.main()
	server := w.app.serverOf(target, g.server)
	return site.Inside{
		Server: server, Target: target, Client: client,
		OverTLS: len(server.TLSConnPolicies) > 0 && w.app.listenPort(target.Port) != w.app.listenPort(caddyhttp.DefaultHTTPPort),
	}
}

// listenPort returns the port on which Caddy listens for that of an address.
func (a *App) listenPort(port int) int {
	configured := map[int]int{caddyhttp.DefaultHTTPSPort: a.http.HTTPSPort, caddyhttp.DefaultHTTPPort: a.http.HTTPPort}
	return cmp.Or(configured[port], port)
}

// serverOf returns the server that takes requests for an address: one that listens on its port and has a site for its
// host, preferably the gate's own. If ports are mapped, no server may listen there.
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

// warnOfPaths warns of a bot token in the webhook's path.
func (w *Webhook) warnOfPaths() {
	for _, g := range w.gates {
		if paths := strings.Join(w.app.places()[g.Gate].Paths, " "); telegram.HideTokens(paths) != paths {
			w.logger.Warn("bot token in the webhook's path", w.NameField(),
				zap.String("remedy", "take another path and revoke the token with @BotFather: a path is in the logs of every proxy on the way, and the secret header does its work"))
		}
	}
}
