package app

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/caddy-telegram/telegramwebhook/internal/botapi"
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
		s.Advice = advice[s.State]
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

var (
	errUnmanaged  = impossible{errors.New("this webhook is registered by something else; with bot_token in the configuration, it can be done here")}
	errConfigured = impossible{errors.New("the secret is in the configuration: put a new one first there, keep the old one beside it for a while, and reload")}
)

// Register calls setWebhook, whatever there is, and returns when it has been taken.
// With drop, the updates that wait are thrown away.
func (w *Webhook) Register(ctx context.Context, drop bool) error {
	running := w.registrar.Load()
	if running == nil {
		return errUnmanaged
	}
	for {
		err := running.Register(ctx, drop)
		// Telegram takes one setWebhook a second for each bot.
		refusal, ok := errors.AsType[*botapi.Error](err)
		if !ok || refusal.Code != http.StatusTooManyRequests || refusal.RetryAfter > maxRetryAfter {
			return withRemedy(err)
		}
		select {
		case <-time.After(refusal.RetryAfter):
		case <-ctx.Done():
			return withRemedy(err)
		}
	}
}

// maxRetryAfter is how long an order waits when Telegram asks for a pause.
const maxRetryAfter = 5 * time.Second

// Delete calls deleteWebhook. The webhook is not registered again until that is
// asked for, or its configuration changes.
func (w *Webhook) Delete(ctx context.Context, drop bool) error {
	running := w.registrar.Load()
	if running == nil {
		return errUnmanaged
	}
	if err := withRemedy(running.Delete(ctx, drop)); err != nil {
		return fmt.Errorf("%w; what Telegram has is as it was", err)
	}
	return nil
}

// Rotate has another secret take the place of the current one, and returns when
// Telegram has it.
func (w *Webhook) Rotate(ctx context.Context) error {
	running := w.registrar.Load()
	switch {
	case w.settings.Secrets != nil:
		return errConfigured
	case running == nil:
		return errUnmanaged
	}
	// A webhook that cannot be registered now is not to get a new secret later.
	if err := checkRegistered(running, running.Check(ctx)); err != nil {
		return err
	}
	err := checkRegistered(running, running.Rotate(ctx))
	if err != nil && w.Secrets.Status().Rotating {
		return fmt.Errorf("%w; the rotation has begun, and goes on by itself: see status", err)
	}
	return err
}

// withRemedy adds to an error what can be done about it.
func withRemedy(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%w (remedy: %s)", err, registrar.Remedy(err))
}

// checkRegistered returns the error of an attempt, or of one after which the webhook
// is not registered.
func checkRegistered(running *registrar.Registrar, err error) error {
	if err != nil {
		return withRemedy(err)
	}
	if state := running.Status().State; state != registrar.Registered {
		return impossible{errors.New("the webhook is " + string(state) + ", so its secret is not renewed. " + advice[string(state)])}
	}
	return nil
}
