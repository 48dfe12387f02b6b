package admin

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/caddy-telegram/telegramwebhook/internal/registrar"
	"github.com/caddy-telegram/telegramwebhook/internal/registry"
	"github.com/caddy-telegram/telegramwebhook/internal/secret"
	"github.com/caddy-telegram/telegramwebhook/internal/status"
)

// Webhook is a webhook of the running configuration.
type Webhook struct {
	Called  string
	Address string // by the configuration; empty if that does not tell
	Secrets secret.Source
	Counts  func() map[string]uint64

	// Listener is asked what the listener wrapper does; nil if there is none.
	Listener func() *status.Listener

	// Registrar is nil for a webhook that something else registers.
	Registrar *registrar.Registrar
}

// Name satisfies registry.Live.
func (w *Webhook) Name() string { return w.Called }

// advice is what to do in a state.
var advice = map[string]string{
	status.Unmanaged:             "Register the webhook with the first of the configured secrets as secret_token, or set bot_token to have that done.",
	string(registrar.Pending):    "Wait a moment, and look again.",
	string(registrar.Contested):  "Find who else uses this bot token; if it has leaked, revoke it with @BotFather. Then register again.",
	string(registrar.Superseded): "During a rolling change do nothing; otherwise give all nodes the same configuration, or register again here.",
	string(registrar.Deleted):    "Register it again when updates are to come.",
}

// Status satisfies registry.Live.
func (w *Webhook) Status() status.Webhook {
	s := status.Webhook{Name: w.Called, Address: w.Address, State: status.Unmanaged, Secret: w.secretStatus(), Requests: w.Counts()}
	if w.Registrar != nil {
		r := w.Registrar.Status()
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
	if w.Listener != nil {
		s.Listener = w.Listener()
	}
	if s.Advice == "" {
		s.Advice = advice[s.State]
	}
	if t := s.Telegram; s.Advice == "" && t != nil && t.Pending > 0 && t.Recently(time.Now()) {
		s.Advice = "Updates wait, and Telegram cannot deliver: see its last error, and what the audit finds."
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

func (w *Webhook) secretStatus() status.Secret {
	s := w.Secrets.Status()
	return status.Secret{Source: s.Source, Made: s.Made, Due: s.Due, Weak: s.Weak}
}

var errUnmanaged = Impossible{errors.New("this webhook is registered by something else; with bot_token in the configuration, it can be done here")}

var errConfigured = Impossible{errors.New("the secret is in the configuration: put a new one first there, keep the old one beside it for a while, and reload")}

// Register satisfies registry.Live.
func (w *Webhook) Register(ctx context.Context, drop bool) error {
	if w.Registrar == nil {
		return errUnmanaged
	}
	return explain(w.Registrar.Register(ctx, drop))
}

// Delete satisfies registry.Live.
func (w *Webhook) Delete(ctx context.Context, drop bool) error {
	if w.Registrar == nil {
		return errUnmanaged
	}
	if err := explain(w.Registrar.Delete(ctx, drop)); err != nil {
		return fmt.Errorf("%w; what Telegram has is as it was", err)
	}
	return nil
}

// Rotate satisfies registry.Live.
func (w *Webhook) Rotate(ctx context.Context) error {
	switch {
	case w.Secrets.Configured() != "":
		return errConfigured
	case w.Registrar == nil:
		return errUnmanaged
	}
	// A webhook that cannot be registered now is not to get a new secret later.
	if err := w.registered(w.Registrar.Check(ctx)); err != nil {
		return err
	}
	err := w.registered(w.Registrar.Rotate(ctx))
	if err != nil && w.Secrets.Status().Rotating {
		return fmt.Errorf("%w; the rotation has begun, and goes on by itself: see status", err)
	}
	return err
}

// explain adds to an error what can be done about it, if something can.
func explain(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%w (remedy: %s)", err, registrar.Remedy(err))
}

// registered is the error of an attempt, or of one after which the webhook is not
// registered.
func (w *Webhook) registered(err error) error {
	if err != nil {
		return explain(err)
	}
	if state := w.Registrar.Status().State; state != registrar.Registered {
		return Impossible{errors.New("the webhook is " + string(state) + ", so its secret is not renewed. " + advice[string(state)])}
	}
	return nil
}

// Interface guards
var _ registry.Live = (*Webhook)(nil)
