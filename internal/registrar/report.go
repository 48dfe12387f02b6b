package registrar

import (
	"errors"
	"fmt"
	"time"

	"go.uber.org/zap"

	"github.com/caddy-telegram/telegramwebhook/internal/botapi"
	"github.com/caddy-telegram/telegramwebhook/internal/boundedlog"
	"github.com/caddy-telegram/telegramwebhook/internal/secret"
	"github.com/caddy-telegram/telegramwebhook/internal/status"
)

// Status is what is known of a registration: its part of the webhook's state, and what that leaves out.
type Status struct {
	status.Webhook
	Remedy string // for the problem in Detail
	Leader string // the process that last compared with Telegram

	fingerprint string // of the configuration, without a kept secret
	news
}

// news is the outcome of one attempt, to be reported after it.
type news struct {
	Result   string // of setWebhook; empty if it was not called
	Rotation string // of the secret: ok if it has ended, failed if the next secret was not registered

	found         string    // in the place of a contested webhook
	lost          string    // found in the place of a webhook that has just been changed
	undeleted     bool      // an ordered deletion failed
	deliveryError bool      // Telegram has a delivery error that no node has reported
	reason        string    // of the state
	nextStep      time.Time // of a rotation; zero for none
}

// setTelegram takes over an answer to getWebhookInfo.
func (s *Status) setTelegram(info botapi.WebhookInfo, at time.Time) {
	s.Telegram = &status.Telegram{
		At: at, URL: info.URL, IPAddress: info.IPAddress, Pending: info.PendingUpdateCount,
		LastError: info.LastErrorMessage, LastErrorAt: info.LastErrorDate,
		MaxConnections: info.MaxConnections, Certificate: info.HasCustomCertificate,
	}
}

// enter enters the state of a row, and describes it.
func (s *Status) enter(row row, rec *record) {
	s.State, s.reason = row.state, row.reason
	switch {
	case s.State == status.Pending:
		s.Detail = "waiting for a turn: Telegram limits how many new bots one address may call for"
	case s.State == status.Contested:
		s.found, s.Remedy = rec.Contested, lossRemedy(rec.Contested)
		s.Detail = "another installation registers this bot with " + s.found
	case s.State == status.Superseded && rec.Deleted:
		s.Detail = fmt.Sprintf("node %s with another configuration has deleted the webhook on demand", rec.Process)
	case s.State == status.Superseded:
		s.Detail = fmt.Sprintf("node %s has registered another configuration, with %s", rec.Process, rec.URL)
	}
}

// describe takes over the registration as all nodes know it.
func (s *Status) describe(rec *record) {
	s.Leader, s.URL, s.RegisteredBy, s.RegisteredAt = rec.Process, rec.URL, rec.RegisteredBy, rec.RegisteredAt
	if rec.URL == "" {
		s.RegisteredBy, s.RegisteredAt = "", time.Time{}
	}
}

func (r *Registrar) setStatus(now Status) (previous Status) {
	r.mu.Lock()
	defer r.mu.Unlock()
	previous = r.status
	now.Since = time.Now()
	if previous.State == now.State {
		now.Since = previous.Since
	}
	r.status = now
	return previous
}

// report sets the status, and logs and emits what is new.
func (r *Registrar) report(now Status) {
	previous := r.setStatus(now)
	r.webhook.Observe(now)
	if t := now.Telegram; now.deliveryError && t.LastError != "" { // setWebhook has not erased it
		r.Logger.Warn("updates not delivered by Telegram",
			zap.String("last_error", t.LastError), zap.Time("last_error_at", t.LastErrorAt), zap.Int("pending", t.Pending))
		r.webhook.Emit("delivery_failing", map[string]any{"last_error": t.LastError, "pending": t.Pending})
	}
	if now.lost != "" {
		r.Logger.Warn("webhook lost", zap.String("url", now.URL), zap.String("found", now.lost), zap.String("remedy", lossRemedy(now.lost)))
		r.webhook.Emit("lost", map[string]any{"url": now.URL, "found": now.lost})
	}
	if now.Result == "ok" {
		r.Logger.Info("webhook registered", zap.String("url", now.URL), zap.String("reason", now.reason))
		r.webhook.Emit("registered", map[string]any{"url": now.URL})
	}
	if now.Rotation == "ok" {
		r.webhook.Emit("rotated", map[string]any{})
	}
	if now.State != status.Failing {
		r.reportedError = boundedlog.Repeated{}
	} else if r.reportedError.IsNew(now.Detail, now.Remedy) {
		r.Logger.Error("webhook not registered", zap.String("error", now.Detail), zap.String("remedy", now.Remedy))
	}
	if now.State == previous.State || now.Result == "ok" { // logged already, if at all
		return
	}
	switch now.State {
	case status.Registered:
		r.Logger.Info("webhook already registered", zap.String("url", now.URL))
	case status.Contested:
		r.Logger.Error("webhook contested", zap.String("found", now.found), zap.String("remedy", now.Remedy))
		r.webhook.Emit("contested", map[string]any{"found": now.found})
	case status.Deleted:
		r.Logger.Warn("webhook deleted on demand", zap.String("remedy", `run "caddy telegram-webhook register" to restore it`))
	case status.Superseded:
		r.Logger.Warn("webhook superseded", zap.String("detail", now.Detail))
	}
}

// lossRemedy returns the remedy for a webhook that another program has changed.
func lossRemedy(found string) string {
	if found == sameAddress {
		return "another installation registers this bot with a secret of its own: let both share Caddy's storage, or give both the same secret"
	}
	return "if the bot's framework calls setWebhook or polls when it starts, turn that off; else find the other installation with this bot token; " +
		"if the token has leaked, revoke it with @BotFather"
}

var (
	errStopped = errors.New("the configuration was stopped or replaced; the call may have been carried out")

	// errNewer leaves the registration to the nodes that understand the record.
	errNewer = errors.New("in storage was written by a newer version of telegram_webhook, whose nodes keep the registration")
)

// configurationError is an error that only a change of the configuration resolves.
type configurationError struct{ error }

func (e configurationError) Unwrap() error { return e.error }

// Remedy returns the remedy for an error, and whether the error lasts until a person acts.
func Remedy(err error) (remedy string, lasting bool) {
	_, misconfigured := errors.AsType[configurationError](err)
	switch {
	case errors.Is(err, errStopped):
		return "look at the status, and repeat the command if needed", false
	case misconfigured:
		return "correct the configuration and reload", true
	case errors.Is(err, errNewer), errors.Is(err, secret.ErrNewer):
		return "update this node; after a downgrade of all nodes, delete the record from storage", false
	}
	return botapi.Remedy(err)
}

// retryAfter returns how long to wait after an error.
func (r *Registrar) retryAfter(err error) time.Duration {
	_, lasting := Remedy(err)
	return r.backoff.After(err, lasting)
}
