package app

import (
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/caddyserver/caddy/v2"
	"go.uber.org/zap"

	"github.com/caddy-telegram/telegramwebhook/internal/botapi"
	"github.com/caddy-telegram/telegramwebhook/internal/boundedlog"
	"github.com/caddy-telegram/telegramwebhook/internal/certificate"
	"github.com/caddy-telegram/telegramwebhook/internal/clientip"
	"github.com/caddy-telegram/telegramwebhook/internal/metrics"
	"github.com/caddy-telegram/telegramwebhook/internal/poll"
	"github.com/caddy-telegram/telegramwebhook/internal/registrar"
	"github.com/caddy-telegram/telegramwebhook/internal/site"
	"github.com/caddy-telegram/telegramwebhook/internal/status"
	"github.com/caddy-telegram/telegramwebhook/internal/storage"
	"github.com/caddy-telegram/telegramwebhook/internal/telegram"
)

// Registration is the configuration of a webhook's registration, with placeholders replaced and defaults set.
type Registration struct {
	Account     *botapi.Account
	URL         string         // an address, a path, or empty
	Certificate string         // a file, "internal", or empty
	Poll        bool           // fetch the updates instead
	Parameters  botapi.Webhook // those that need no file and no place
	Check       time.Duration  // between comparisons with getWebhookInfo; 0 for none
}

// HidePath returns a path without bot tokens: some set-ups have one there in place of a secret.
func (r *Registration) HidePath(path string) string {
	path = telegram.HideTokens(path)
	if r == nil {
		return path
	}
	return r.Account.Redact(path)
}

// Webhook returns the parameters of setWebhook, with that address and certificate, and checks
// them. A path is not an address yet.
func (r *Registration) Webhook(address string, pem []byte) (botapi.Webhook, error) {
	if r.HidePath(address) != address {
		return botapi.Webhook{}, errors.New("url: holds a bot token, which would be in every log; the secret does its work, so take any other path")
	}
	if err := certificate.CheckConfigured(r.Certificate, address); err != nil {
		return botapi.Webhook{}, fmt.Errorf("certificate: %w", err)
	}
	w := r.Parameters
	w.Certificate = pem
	if site.IsAddress(address) {
		w.URL = address
	}
	return w, w.Check(r.Account.Local())
}

// startRegistrar starts the registrar once the address is confirmed.
func (w *Webhook) startRegistrar(confirmed <-chan struct{}) {
	r := w.settings.Registration
	w.registrar.Store(registrar.Start(registrar.Config{
		Secrets:  w.Secrets,
		API:      botapi.NewClient(r.Account, nil),
		Storage:  storageOf(w.app.ctx),
		Prefix:   r.Account.Key(),
		MACKey:   []byte(r.Account.Reveal()),
		Node:     registrar.ThisNode(),
		Interval: r.Check,
		Pace:     w.pace(),
		Begin:    confirmed,
		Memory:   &w.bot.registration,
		Logger:   w.logger.With(w.NameField()),
	}, w))
}

// storageOf is Caddy's storage.
func storageOf(ctx caddy.Context) *storage.Storage {
	return &storage.Storage{Module: ctx.Storage(), Health: process.storage, Logger: ctx.Logger()}
}

// pace bounds the first calls for new bots. A local Bot API server takes any number.
func (w *Webhook) pace() *registrar.Pace {
	if w.settings.Registration.Account.Local() {
		return nil
	}
	return process.pace
}

// Wanted satisfies registrar.Webhook.
func (w *Webhook) Wanted() (botapi.Webhook, error) {
	found := w.location.Load()
	if found.fault != nil {
		return botapi.Webhook{}, found.fault
	}
	pem, err := certificate.Load(w.ctx, w.settings.Registration.Certificate)
	if err != nil {
		return botapi.Webhook{}, fmt.Errorf("certificate: %w", err)
	}
	want, err := w.settings.Registration.Webhook(found.address, pem)
	if err != nil {
		return want, err
	}
	g, _ := w.main()
	if err := w.uploads.Look(found.address, pem, g.server.TLSConnPolicies, w.logger.With(w.NameField())); err != nil {
		return want, fmt.Errorf("certificate: %w", err)
	}
	return want, nil
}

// Observe satisfies registrar.Webhook.
func (w *Webhook) Observe(s registrar.Status) {
	if s.Result != "" {
		metrics.SetWebhook.WithLabelValues(w.Name(), s.Result).Inc()
	}
	if s.Rotation != "" {
		metrics.Rotations.WithLabelValues(w.Name(), s.Rotation).Inc()
	}
}

// Emit satisfies registrar.Webhook.
func (w *Webhook) Emit(event string, data map[string]any) {
	data["name"] = w.Name()
	w.app.events.Emit(w.ctx, "telegram_webhook_"+event, data)
}

// Describe returns the log fields of a request. A stranger chooses the host and the path.
func (w *Webhook) Describe(r *http.Request) []zap.Field {
	const longest = 256
	return []zap.Field{
		zap.String("client_ip", clientip.Of(r)),
		zap.String("host", boundedlog.Printable{}.Line(r.Host, longest)),
		zap.String("path", boundedlog.Printable{}.Line(w.HidePath(r.URL.Path), longest)),
	}
}

// HidePath returns a path as it may be logged.
func (w *Webhook) HidePath(path string) string { return w.settings.Registration.HidePath(path) }

// Suspect is called when a request from Telegram's own addresses was refused.
func (w *Webhook) Suspect() { w.registrar.Load().Suspect() }

// RegisteredRecently reports whether this process has called setWebhook a moment ago:
// Telegram drops its connections then.
func (w *Webhook) RegisteredRecently() bool { return w.registrar.Load().CalledRecently() }

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
	s.State, s.Polling = status.Pending, new(status.Fetching)
	if found := w.location.Load(); found != nil && found.fault != nil {
		s.State, s.Detail, s.Advice = status.Failing, found.fault.Error(), sentence("correct the configuration and reload")
		return
	}
	p := w.bot.poller.Status()
	if p.State == "" {
		return
	}
	s.State, s.Since, s.Detail, s.Advice = p.State, p.Since, p.Detail, sentence(p.Remedy)
	s.Polling = &status.Fetching{Waiting: p.Waiting, FetchedAt: p.FetchedAt}
}

// Interface guard
var _ registrar.Webhook = (*Webhook)(nil)
