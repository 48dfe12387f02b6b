package app

import (
	"cmp"
	"fmt"
	"strings"
	"time"

	"github.com/caddy-telegram/telegramwebhook/internal/certificate"
	"github.com/caddy-telegram/telegramwebhook/internal/registrar"
	"github.com/caddy-telegram/telegramwebhook/internal/status"
)

// advice has the advice for each state.
var advice = map[string]string{
	status.Unmanaged:             "Register the webhook with the first of the configured secrets as secret_token, or set bot_token to have that done.",
	string(registrar.Pending):    "Wait a moment, and look again.",
	string(registrar.Superseded): "During a rolling change do nothing; otherwise give all nodes the same configuration, or register again here.",
	string(registrar.Deleted):    "Register it again when updates are to come.",
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
	s := status.Webhook{
		Name: w.Name(), State: status.Unmanaged,
		Secret: w.secretStatus(), Requests: w.Metrics().Counts(w.settings.Results), Ready: w.isReady(),
	}
	for _, g := range w.gates {
		if wrapper := w.app.Wrapper(g.server); wrapper != nil {
			s.Listener = wrapper.Status()
		}
	}
	if r := w.settings.Registration; r != nil {
		s.IPAddress = r.Parameters.IPAddress
	}
	if w.settings.Registration != nil {
		health := process.storage.Status()
		s.Storage = &status.Storage{
			Module: strings.TrimPrefix(fmt.Sprintf("%T", w.ctx.Storage()), "*"),
			ReadAt: health.ReadAt, WrittenAt: health.WrittenAt, AwaySince: health.AwaySince,
		}
	}
	if running := w.registrar.Load(); running != nil {
		addRegistration(&s, running.Status())
	}
	if w.polls() {
		w.addPolling(&s)
	}
	return s
}

// addRegistration adds the state of the registrar.
func addRegistration(s *status.Webhook, r registrar.Status) {
	s.State, s.Since, s.Detail, s.Advice = string(r.State), r.Since, r.Detail, sentence(r.Remedy)
	if r.URL != "" {
		s.URL, s.RegisteredAt, s.RegisteredBy = r.URL, r.RegisteredAt, r.RegisteredBy
	}
	s.Storage.Leader = r.Leader
	if !r.InfoAt.IsZero() && r.State != registrar.Deleted && r.State != registrar.Superseded {
		s.Telegram = &status.Telegram{
			At: r.InfoAt, URL: r.Info.URL, IPAddress: r.Info.IPAddress, Pending: r.Info.PendingUpdateCount,
			LastError: r.Info.LastErrorMessage, LastErrorAt: r.Info.LastErrorDate,
			MaxConnections: r.Info.MaxConnections, Certificate: r.Info.HasCustomCertificate,
		}
	}
}

// sentence makes one of a remedy.
func sentence(remedy string) string {
	if remedy == "" {
		return ""
	}
	return strings.ToUpper(remedy[:1]) + remedy[1:] + "."
}

func (w *Webhook) secretStatus() status.Secret {
	s := w.Secrets.Status()
	return status.Secret{Source: s.Source, Made: s.Made, Due: s.Due, Weak: s.Weak}
}
