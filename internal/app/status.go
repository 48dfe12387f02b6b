package app

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/caddyserver/caddy/v2"

	"github.com/caddy-telegram/telegramwebhook/internal/certificate"
	"github.com/caddy-telegram/telegramwebhook/internal/status"
)

// advice has the advice for each state.
var advice = map[string]string{
	status.Unmanaged:  "Register the webhook with the first of the configured secrets as secret_token, or set bot_token to have that done.",
	status.Pending:    "Wait a moment, and look again.",
	status.Superseded: "During a rolling change do nothing; otherwise give all nodes the same configuration, or register again here.",
	status.Deleted:    "Register it again when updates are to come.",
}

// Status returns the state of the webhook for a person.
func (w *Webhook) Status() status.Webhook {
	s := w.state()
	if found := w.location.Load(); found != nil {
		s.Address = w.HidePath(found.address)
	}
	if r := w.settings.Registration; r != nil {
		s.LocalAPI = r.Account.Local()
		pem, _ := certificate.Load(w.ctx, r.Certificate) // an error is the registrar's to report
		s.Certificate = string(pem)
	}
	if s.Detail == "" {
		s.Detail, s.Advice = w.findFault(s)
	}
	if s.Advice == "" {
		s.Advice = cmp.Or(advice[s.State], sentence(w.uploads.Advice()))
	}
	if t := s.Telegram; s.Advice == "" && t != nil && t.Pending > 0 && t.Recently(time.Now()) {
		s.Advice = "Updates wait, and Telegram cannot deliver: see its last error, and what the audit finds."
	}
	return s
}

// findFault returns a fault that does not make the registration fail.
func (w *Webhook) findFault(s status.Webhook) (detail, advice string) {
	for _, file := range w.settings.Files {
		if problem, advice := file.Problem(); problem != "" {
			return problem, advice
		}
	}
	if found := w.location.Load(); found != nil {
		switch {
		case found.doubt != "":
			return found.doubt, sentence(doubtRemedy)
		case s.State == status.Unmanaged && found.fault != nil && found.address != "":
			return found.fault.Error(), s.Advice
		}
	}
	if r := w.refusal.Load(); r != nil && s.Well() {
		return fmt.Sprintf("the bot has answered an update with %d, at %s", r.status, r.at.UTC().Format(time.RFC3339)), sentence(r.remedy)
	}
	return "", s.Advice
}

// state returns the state from memory alone, as the metrics need it.
func (w *Webhook) state() status.Webhook {
	s, leader := status.Webhook{State: status.Unmanaged}, ""
	if running := w.registrar.Load(); running != nil {
		r := running.Status()
		s, leader = r.Webhook, r.Leader
		s.Advice = sentence(r.Remedy)
		if s.State == status.Deleted || s.State == status.Superseded { // what Telegram has is not this webhook's
			s.Telegram = nil
		}
	}
	if w.polls() {
		w.addPolling(&s)
	}
	kept := w.Secrets.Status()
	s.Secret = status.Secret{Source: kept.Source, Made: kept.Made, Due: kept.Due, Weak: kept.Weak}
	s.Name, s.Requests, s.Ready = w.Name(), w.Metrics().Counts(w.settings.Results), w.isReady()
	for _, g := range w.gates {
		if wrapper := w.app.Wrapper(g.server); wrapper != nil {
			s.Listener = wrapper.Status()
		}
	}
	if r := w.settings.Registration; r != nil {
		health := process.storage.Status()
		s.IPAddress = r.Parameters.IPAddress
		s.Storage = &status.Storage{
			Module: strings.TrimPrefix(fmt.Sprintf("%T", w.ctx.Storage()), "*"),
			ReadAt: health.ReadAt, WrittenAt: health.WrittenAt, AwaySince: health.AwaySince, Leader: leader,
		}
	}
	return s
}

// sentence makes one of a remedy.
func sentence(remedy string) string {
	if remedy == "" {
		return ""
	}
	return strings.ToUpper(remedy[:1]) + remedy[1:] + "."
}

// isReady reports whether the webhook can judge requests, whoever holds the registration. Where updates are fetched,
// every request is refused; a webhook that was deleted has no secret, and gets no updates.
func (w *Webhook) isReady() bool {
	if w.polls() {
		return w.location.Load() != nil
	}
	running := w.registrar.Load()
	return w.Secrets.Known() || running != nil && running.Status().State == status.Deleted
}

// readTimeout is how long a probe waits for storage.
const readTimeout = 2 * time.Second

// ready answers a probe. A node that has just started, or that another node has superseded, may not have read its
// secrets. ready reads them, since a load balancer sends no request, which would do that, to a node that is not ready.
// The answer is no error of the admin API, which would log every probe.
func ready(w http.ResponseWriter, r *http.Request) error {
	answer := status.Ready{Error: findUnready(r.Context())}
	answer.Ready = answer.Error == ""
	w.Header().Set("Content-Type", "application/json")
	if !answer.Ready {
		w.WriteHeader(http.StatusServiceUnavailable)
	}
	return json.NewEncoder(w).Encode(answer)
}

// findUnready says why this node is not ready; empty if it is.
func findUnready(ctx context.Context) string {
	if caddy.ActiveContext().Context == nil {
		return "no configuration is active: Caddy starts or shuts down"
	}
	ctx, cancel := context.WithTimeout(ctx, readTimeout)
	defer cancel()
	var names []string
	for _, webhook := range current() {
		if !webhook.isReady() {
			webhook.Secrets.Refresh(ctx)
		}
		if !webhook.isReady() {
			names = append(names, webhook.Name())
		}
	}
	if len(names) == 0 {
		return ""
	}
	return "not ready: " + strings.Join(names, ", ")
}
