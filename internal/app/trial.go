package app

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

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

// confirmAddress waits until the configuration is the active one and sends a request to the webhook's address inside the
// process, once for each load. Then it closes confirmed: only an address that leads here is registered.
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
