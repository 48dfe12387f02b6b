package app

import (
	"cmp"
	"strings"
	"time"

	"github.com/caddy-telegram/telegramwebhook/internal/metrics"
	"github.com/caddy-telegram/telegramwebhook/internal/registrar"
	"github.com/caddy-telegram/telegramwebhook/internal/site"
	"github.com/caddy-telegram/telegramwebhook/internal/status"
)

// advice is what to do in a state.
var advice = map[string]string{
	status.Unmanaged:             "Register the webhook with the first of the configured secrets as secret_token, or set bot_token to have that done.",
	string(registrar.Pending):    "Wait a moment, and look again.",
	string(registrar.Contested):  "Find who else uses this bot token; if it has leaked, revoke it with @BotFather. Then register again.",
	string(registrar.Superseded): "During a rolling change do nothing; otherwise give all nodes the same configuration, or register again here.",
	string(registrar.Deleted):    "Register it again when updates are to come.",
}

// Status returns the state of the webhook.
func (w *Webhook) Status() status.Webhook {
	s := status.Webhook{
		Name: w.Name(), Address: w.publicAddress(), State: status.Unmanaged,
		Secret: w.secretStatus(), Requests: w.Metrics().Counts(w.settings.Results),
	}
	for _, g := range w.gates {
		if wrapper := w.app.Wrapper(g.server); wrapper != nil {
			s.Listener = wrapper.Status()
		}
	}
	if running := w.registrar.Load(); running != nil {
		addRegistration(&s, running.Status())
	}
	if s.Advice == "" {
		s.Advice = cmp.Or(advice[s.State], sentence(w.uploads.Advice()))
	}
	if t := s.Telegram; s.Advice == "" && t != nil && t.Pending > 0 && t.Recently(time.Now()) {
		s.Advice = "Updates wait, and Telegram cannot deliver: see its last error, and what the audit finds."
	}
	return s
}

// publicAddress is where the webhook is; empty if the configuration does not tell.
func (w *Webhook) publicAddress() string {
	if w.settings.Registration != nil {
		return w.address
	}
	g, place := w.main()
	address, _ := site.URL(g.server, place, "")
	return w.HidePath(address)
}

// addRegistration adds what the registrar knows.
func addRegistration(s *status.Webhook, r registrar.Status) {
	s.State, s.Since, s.Detail, s.Advice = string(r.State), r.Since, r.Detail, sentence(r.Remedy)
	if r.URL != "" {
		s.URL, s.RegisteredAt, s.RegisteredBy = r.URL, r.RegisteredAt, r.RegisteredBy
	}
	if !r.InfoAt.IsZero() && r.State != registrar.Deleted && r.State != registrar.Superseded {
		s.Telegram = &status.Telegram{
			At: r.InfoAt, URL: r.Info.URL, Pending: r.Info.PendingUpdateCount,
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

// state is what the metrics measure.
func (w *Webhook) state() metrics.State {
	s := metrics.State{Name: w.Name(), SecretMade: w.Secrets.Status().Made}
	running := w.registrar.Load()
	if running == nil {
		return s
	}
	status := running.Status()
	s.Managed = status.State != registrar.Pending // nothing is known until the first attempt has ended
	s.Registered, s.Contested = status.State == registrar.Registered, status.State == registrar.Contested
	s.Asked = !status.InfoAt.IsZero() && status.State != registrar.Deleted
	s.Pending, s.LastError = status.Info.PendingUpdateCount, status.Info.LastErrorDate
	return s
}
