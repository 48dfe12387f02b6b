package app

import (
	"fmt"

	"github.com/caddy-telegram/telegramwebhook/internal/botapi"
	"github.com/caddy-telegram/telegramwebhook/internal/poll"
	"github.com/caddy-telegram/telegramwebhook/internal/registrar"
	"github.com/caddy-telegram/telegramwebhook/internal/site"
	"github.com/caddy-telegram/telegramwebhook/internal/status"
	"github.com/caddy-telegram/telegramwebhook/internal/telegram"
)

// polls reports whether the updates are fetched.
func (w *Webhook) polls() bool { return w.settings.Registration != nil && w.settings.Registration.Poll }

// startPolling hands the bot's updates to this configuration.
func (w *Webhook) startPolling() {
	r := w.settings.Registration
	w.bot.registration.Forget() // what a registrar has seen does not count for the next one
	w.bot.poller.Serve(poll.Config{
		Webhook:        w,
		API:            botapi.NewClient(r.Account, nil),
		Storage:        storageOf(w.app.ctx),
		Prefix:         r.Account.Key(),
		Process:        registrar.ThisNode().Process,
		AllowedUpdates: r.Parameters.AllowedUpdates,
		MaxConnections: r.Parameters.MaxConnections,
		Logger:         w.logger.With(w.NameField()),
	})
}

// Deliver satisfies poll.Webhook. It hands an update to the bot as Telegram would send it.
func (w *Webhook) Deliver(update []byte) *telegram.Answer { return w.handOver(update, true) }

// handOver hands an update to the bot inside the process. An update that is not to be
// remembered also passes if the bot has taken another update with its id.
func (w *Webhook) handOver(update []byte, remember bool) *telegram.Answer {
	target, err := telegram.ParseTarget(w.location.Load().address)
	if err != nil {
		return &telegram.Answer{Err: err}
	}
	mark := &site.Mark{Forget: !remember}
	for _, g := range w.gates {
		mark.Passes = append(mark.Passes, g.Gate)
	}
	answer := w.inside(target).Send(mark, update, telegram.Timeout)
	if answer.Delivered() && w.app.webhookOf(mark.Reached()) != w {
		return &telegram.Answer{Err: fmt.Errorf("something else than telegram_webhook has answered with status %d", answer.Status)}
	}
	return answer
}

// addPolling adds the state of the poller.
func (w *Webhook) addPolling(s *status.Webhook) {
	s.State, s.Polling = string(registrar.Pending), new(status.Fetching)
	if found := w.location.Load(); found != nil && found.fault != nil {
		s.State, s.Detail, s.Advice = string(registrar.Failing), found.fault.Error(), sentence("correct the configuration and reload")
		return
	}
	p := w.bot.poller.Status()
	if p.State == "" {
		return
	}
	s.State, s.Since, s.Detail, s.Advice = string(p.State), p.Since, p.Detail, sentence(p.Remedy)
	s.Polling = &status.Fetching{Waiting: p.Waiting, FetchedAt: p.FetchedAt}
}
