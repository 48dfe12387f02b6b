package app

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
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

// A location says where the webhook is, and whether updates arrive there.
type location struct {
	address string
	fault   error  // why nothing can be registered
	doubt   string // why updates may not arrive; empty if they do
}

// confirmAddress waits until the configuration is the active one and sends a request to
// the webhook's address inside the process, once for each load. Then it closes confirmed:
// only an address that leads here is registered.
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
	w.location.Store(&found)
	if w.settings.Registration == nil && found.fault != nil && found.address != "" { // else the registrar tells
		w.logger.Warn("webhook address leads elsewhere", w.NameField(), zap.Error(found.fault))
	}
	if found.doubt != "" {
		w.logger.Warn("webhook address not confirmed", w.NameField(), zap.String("detail", found.doubt),
			zap.String("remedy", doubtRemedy))
	}
	switch {
	case !w.polls():
		if w.bot != nil {
			w.bot.poller.Stop() // which the configuration before may have started
		}
		close(confirmed)
	case found.fault != nil:
		w.bot.poller.Stop()
		w.logger.Error("updates not fetched", w.NameField(), zap.Error(found.fault), zap.String("remedy", "correct the configuration and reload"))
	default:
		w.startPolling()
	}
}

// findLocalAddress returns the address to which this process sends the updates that it has
// fetched: the webhook's own host and path, or the path of url where several lead here.
func (w *Webhook) findLocalAddress() location {
	g, place := w.main()
	place.Hosts = place.Names()
	if len(place.Hosts) == 0 {
		place.Hosts = []string{"localhost"}
	}
	place.Hosts = place.Hosts[:1]
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

const doubtRemedy = "if no updates arrive, see what url leads to; a proxy in front must pass on host and path"

// findAddress returns the webhook's public address. What the error quotes of the
// routes may hold a token.
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
	if err == nil && needsTLS && len(g.server.TLSConnPolicies) == 0 {
		err = errors.New("this site does not speak HTTPS itself; set url to the webhook's whole public address")
	}
	if err != nil {
		found = location{fault: errors.New("url: " + w.HidePath(err.Error()))}
	}
	return found
}

// trialTimeout bounds a trial, as handlers before the gate may do anything.
const trialTimeout = 5 * time.Second

// tryAddress says where the address that was found leads.
func (w *Webhook) tryAddress(found location) location {
	target, err := telegram.ParseTarget(found.address)
	if found.fault != nil || err != nil || target.Request("", nil) == nil {
		return found // what is wrong keeps it from being registered
	}
	inside := w.inside(target)
	if !inside.HasSite() {
		found.doubt = w.HidePath(fmt.Sprintf("no site of this Caddy has the host %s, so nobody knows here whether %s leads to this telegram_webhook", target.Host, target))
		return found
	}
	mark := new(site.Mark)
	answer := inside.Send(mark, nil, trialTimeout)
	other := w.app.webhookOf(mark.Reached())
	if other == w {
		return found
	}
	problem := fmt.Sprintf("%s does not lead to this telegram_webhook: ", target)
	lost := false
	switch {
	case other != nil:
		problem += "it leads to another one, " + other.Name()
	case errors.Is(answer.Err, telegram.ErrReadTimeout):
		problem += fmt.Sprintf("there was no answer within %s", trialTimeout)
	case answer.Err != nil:
		problem += "the connection was closed without an answer"
	case answer.Delivered():
		problem += fmt.Sprintf("something else answers with status %d, so that Telegram takes every update for delivered", answer.Status)
		lost = true
	default:
		problem += fmt.Sprintf("something else answers with status %d", answer.Status)
	}
	problem = w.HidePath(problem)
	// An address that is written out may lead here by way of another proxy.
	if r := w.settings.Registration; r != nil && site.IsAddress(r.URL) && other == nil && !lost {
		found.doubt = problem
	} else {
		found.fault = errors.New("url: " + problem + "; set url to the address that leads here, or see which handler comes first")
	}
	return found
}

// inside is the way to an address of the webhook inside the process.
func (w *Webhook) inside(target telegram.Target) site.Inside {
	g, _ := w.main()
	server := w.app.serverOf(target.Port, g.server)
	return site.Inside{
		Server: server, Target: target, Client: w.client(),
		OverTLS: len(server.TLSConnPolicies) > 0 && w.app.listenPort(target.Port) != cmp.Or(w.app.http.HTTPPort, caddyhttp.DefaultHTTPPort),
	}
}

// client is an address from which updates come: there may be matchers for it.
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

// serverOf returns the server that listens on the port of an address: the gate's own if
// that does, or if none does, since ports may be mapped.
func (a *App) serverOf(port int, own *caddyhttp.Server) *caddyhttp.Server {
	listens := func(server *caddyhttp.Server) bool {
		return slices.ContainsFunc(server.Listen, func(listen string) bool {
			address, err := caddy.ParseNetworkAddress(listen)
			wanted := uint(a.listenPort(port))
			return err == nil && address.StartPort <= wanted && wanted <= address.EndPort
		})
	}
	if listens(own) {
		return own
	}
	for _, name := range slices.Sorted(maps.Keys(a.http.Servers)) {
		if server := a.http.Servers[name]; listens(server) {
			return server
		}
	}
	return own
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
