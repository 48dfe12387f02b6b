package admin

import (
	"cmp"
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
	Registrar *registrar.Running
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
	if err := explain(w.Registrar.Remove(ctx, drop)); err != nil {
		return fmt.Errorf("%w; what Telegram has is as it was", err)
	}
	return nil
}

// Rotate satisfies registry.Live.
func (w *Webhook) Rotate(ctx context.Context) error {
	if w.Registrar == nil {
		return cmp.Or(impossible(w.Secrets.Rotate()), error(errUnmanaged))
	}
	if err := w.look(ctx); err != nil { // before anything is asked for that would happen later
		return err
	}
	before := w.Secrets.Status().Made
	if err := impossible(w.Secrets.Rotate()); err != nil {
		return err
	}
	// The next secret is stored by one attempt, and registered by a later one.
	for {
		if err := w.look(ctx); err != nil {
			return fmt.Errorf("%w; the rotation has begun, and goes on by itself: see status", err)
		}
		if !w.Secrets.Status().Made.Equal(before) {
			return nil
		}
		select {
		case <-ctx.Done():
			return errors.New("the new secret is not registered yet; it goes on")
		case <-time.After(lookAgain):
		}
	}
}

func impossible(err error) error {
	if err == nil {
		return nil
	}
	return Impossible{err}
}

// explain adds to an error what can be done about it, if something can.
func explain(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%w (remedy: %s)", err, registrar.Remedy(err))
}

// look has the registrar make an attempt, after which the webhook must be registered.
func (w *Webhook) look(ctx context.Context) error {
	if err := w.Registrar.Look(ctx); err != nil {
		return explain(err)
	}
	if state := w.Registrar.Status().State; state != registrar.Registered {
		return Impossible{errors.New("the webhook is " + string(state) + ", so its secret is not renewed. " + advice[string(state)])}
	}
	return nil
}

// lookAgain is between two looks whether a rotation has ended.
const lookAgain = 500 * time.Millisecond

// Interface guards
var _ registry.Live = (*Webhook)(nil)
