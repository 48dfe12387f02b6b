package app

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"go.uber.org/zap"

	"github.com/caddy-telegram/telegramwebhook/internal/site"
	"github.com/caddy-telegram/telegramwebhook/internal/telegram"
)

// A location is the address of the webhook, and whether updates arrive there.
type location struct {
	address string
	fault   error  // why nothing can be registered
	doubt   string // why updates may not arrive; empty if they do
}

// main returns the gate at which the webhook is registered, and its place: one that speaks HTTPS if there is one, on
// https's own port if there are several.
func (w *Webhook) main() (gate, site.Place) {
	rank := func(g gate) (rank int) {
		if len(g.server.TLSConnPolicies) == 0 {
			rank += 2
		}
		if !w.app.listens(g.server, caddyhttp.DefaultHTTPSPort) {
			rank++
		}
		return rank
	}
	g := slices.MinFunc(w.gates, func(x, y gate) int { // Caddy provisions servers in no order
		return cmp.Or(rank(x)-rank(y), slices.Compare(x.server.Listen, y.server.Listen))
	})
	return g, w.app.places()[g.Gate]
}

// findAddress returns the webhook's public address. Where updates are fetched it is the one to which this process sends
// them: the webhook's own host and path, or the path of url where several lead here.
func (w *Webhook) findAddress() location {
	g, place := w.main()
	given := ""
	if r := w.settings.Registration; r != nil {
		given = r.URL
	}
	if w.polls() {
		place.Hosts = []string{place.OneHost()}
		if site.IsAddress(given) {
			target, _ := telegram.ParseTarget(given)
			given = target.Query
		}
		if _, err := site.URL(g.server, place, ""); err == nil {
			given = ""
		}
	}
	address, err := site.URL(g.server, place, given)
	alsoHTTPS := func(other gate) bool { return other.Gate != g.Gate && len(other.server.TLSConnPolicies) > 0 }
	switch {
	case err != nil || w.polls() || w.settings.Registration == nil || site.IsAddress(given):
	case len(g.server.TLSConnPolicies) == 0:
		err = errors.New("this site does not speak HTTPS itself; set url to the webhook's whole public address")
	case !w.app.listens(g.server, caddyhttp.DefaultHTTPSPort) && slices.ContainsFunc(w.gates, alsoHTTPS):
		err = errors.New("this webhook is on several HTTPS servers; set url to its whole public address")
	}
	if err != nil { // it quotes the routes, which may contain a token
		return location{fault: errors.New("url: " + w.HidePath(err.Error()))}
	}
	return location{address: address}
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

// warnOfPlaces warns of handlers that keep updates from the webhook, and of a bot token in its path.
func (w *Webhook) warnOfPlaces() {
	var inFront, paths []string
	for _, g := range w.gates {
		place := w.app.places()[g.Gate]
		paths = append(paths, place.Paths...)
		for _, handler := range place.InFront {
			inFront = append(inFront, string(handler.(caddy.Module).CaddyModule().ID))
		}
	}
	slices.Sort(inFront)
	for _, handler := range slices.Compact(inFront) {
		w.logger.Warn("handler in front of telegram_webhook answers Telegram's requests", w.NameField(), zap.String("handler", handler),
			zap.String("remedy", "put telegram_webhook before it in a route block, or give the bot a site of its own"))
	}
	if joined := strings.Join(paths, " "); telegram.HideTokens(joined) != joined {
		w.logger.Warn("bot token in the webhook's path", w.NameField(),
			zap.String("remedy", "take another path and revoke the token with @BotFather: a path is in the logs of every proxy on the way, and the secret header does its work"))
	}
}

// confirmAddress waits until the configuration is the active one and sends a request to the webhook's address inside
// the process, once for each load. Then it closes confirmed: only an address that leads here is registered.
func (w *Webhook) confirmAddress(confirmed chan<- struct{}) {
	select {
	case <-w.app.active:
	case <-w.ctx.Done():
		return
	}
	found := w.tryAddress(*w.location.Load())
	if w.ctx.Err() != nil {
		return
	}
	if w.polls() && found.doubt != "" { // an update that does not arrive here would be lost
		found.fault, found.doubt = errors.New("url: "+found.doubt), ""
	}
	w.location.Store(&found)
	if w.settings.Registration == nil && found.fault != nil && found.address != "" { // else the registrar tells
		w.logger.Warn("webhook address leads elsewhere", w.NameField(), zap.Error(found.fault))
	}
	if found.doubt != "" {
		w.logger.Warn("webhook address not confirmed", w.NameField(), zap.String("detail", found.doubt), zap.String("remedy", doubtRemedy))
	}
	switch {
	case w.polls() && found.fault == nil:
		w.startPolling()
	case w.polls():
		w.bot.poller.Stop()
		w.logger.Error("updates not fetched", w.NameField(), zap.Error(found.fault), zap.String("remedy", "correct the configuration and reload"))
	case w.bot != nil:
		// The configuration before may have started it. An update that it works on would come again by the webhook.
		w.bot.poller.Stop()
		ctx, cancel := context.WithTimeout(w.ctx, telegram.Timeout)
		defer cancel()
		w.bot.poller.Wait(ctx)
		close(confirmed)
	}
}

const doubtRemedy = "if no updates arrive, see what url leads to; a proxy in front must pass on host and path"

// trialTimeout bounds a trial, as handlers before the gate may do anything.
const trialTimeout = 5 * time.Second

// tryAddress finds out where the address leads.
func (w *Webhook) tryAddress(found location) location {
	target, err := telegram.ParseTarget(found.address)
	if found.fault != nil || err != nil || target.Request("", nil) == nil {
		return found // what is wrong keeps it from being registered
	}
	inside := w.inside(target)
	if !site.HasSite(inside.Server, target.ServerName()) {
		found.doubt = w.HidePath(fmt.Sprintf("no site of this Caddy has the host %s, so nobody knows here whether %s leads to this telegram_webhook", target.Host, target))
		return found
	}
	mark := new(site.Mark)
	answer := inside.Send(mark, nil, trialTimeout)
	other := w.app.webhookOf(mark.Reached())
	if other == w && answer.Status == http.StatusNoContent {
		if w.polls() {
			return found
		}
		// Two servers of one port may each have a site of that host.
		if rival := w.app.claims.claim("confirmed address "+site.Canonical(found.address), w); rival != nil {
			found.fault = errors.New(w.HidePath(fmt.Sprintf("url: %s is that of another telegram_webhook already (%s), on another server of the same port", target, rival)))
		}
		return found
	}
	problem, certain := fmt.Sprintf("%s does not lead to this telegram_webhook: ", target), false
	switch {
	case other == w:
		problem = fmt.Sprintf("this telegram_webhook would refuse an update for %s with status %d, since a handler before it changes the request", target, answer.Status)
	case other != nil:
		problem += "it leads to another one, " + other.Name()
		certain = true
	case answer.Delivered():
		problem += fmt.Sprintf("something else answers with status %d, so that Telegram takes every update for delivered", answer.Status)
		certain = true
	case errors.Is(answer.Err, telegram.ErrReadTimeout):
		problem += fmt.Sprintf("there was no answer within %s", trialTimeout)
	case answer.Err != nil:
		problem += "the connection was closed without an answer"
	default:
		problem += fmt.Sprintf("something else answers with status %d", answer.Status)
	}
	problem = w.HidePath(problem)
	// An address that is written out may lead here by way of another proxy.
	if r := w.settings.Registration; r != nil && site.IsAddress(r.URL) && !certain {
		found.doubt = problem
	} else {
		found.fault = errors.New("url: " + problem + "; set url to the address that leads here, or see which handler comes first")
	}
	return found
}

// webhookOf returns the webhook of a gate.
func (a *App) webhookOf(g site.Gate) *Webhook {
	for _, w := range a.webhooks {
		if slices.ContainsFunc(w.gates, func(other gate) bool { return other.Gate == g }) {
			return w
		}
	}
	return nil
}
