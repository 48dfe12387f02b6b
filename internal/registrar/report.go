package registrar

import (
	"fmt"
	"time"

	"go.uber.org/zap"

	"github.com/caddy-telegram/telegramwebhook/internal/botapi"
	"github.com/caddy-telegram/telegramwebhook/internal/boundedlog"
)

// State is how a registration stands.
type State string

const (
	Pending    State = "pending"    // no attempt has ended yet
	Registered State = "registered" // Telegram has what is wanted
	Failing    State = "failing"    // the last attempt failed; it is tried again
	Contested  State = "contested"  // another installation registers the same bot
	Superseded State = "superseded" // another configuration has taken over
	Deleted    State = "deleted"    // deleted by a person, until a person registers the webhook again
)

// Status is what is known of a registration.
type Status struct {
	State  State
	Since  time.Time
	Detail string             // the problem; empty for none
	Remedy string             // of the problem
	Info   botapi.WebhookInfo // Telegram's last answer to getWebhookInfo
	InfoAt time.Time          // the time of that answer

	// The registration as all nodes know it.
	URL          string
	RegisteredBy string
	RegisteredAt time.Time
	Leader       string // the process that last compared with Telegram

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

// setInfo records Telegram's answer, for this node and all others.
func (s *Status) setInfo(info botapi.WebhookInfo, rec *record) {
	s.Info, s.InfoAt = info, time.Now()
	rec.Told, rec.ToldAt = &info, s.InfoAt
}

// enter sets the state and its description.
func (s *Status) enter(state State, rec *record) {
	s.State = state
	switch {
	case state == Pending:
		s.Detail = "waiting for a turn: Telegram limits how many new bots one address may call for"
	case state == Contested:
		s.found, s.Remedy = rec.Contested, lossRemedy(rec.Contested)
		s.Detail = "another installation registers this bot with " + s.found
	case state == Superseded && rec.Deleted:
		s.Detail = fmt.Sprintf("node %s with another configuration has deleted the webhook on demand", rec.Process)
	case state == Superseded:
		s.Detail = fmt.Sprintf("node %s has registered another configuration, with %s", rec.Process, rec.URL)
	}
}

// setStatus sets the status and returns the one before.
func (r *Registrar) setStatus(status Status) (previous Status) {
	r.mu.Lock()
	defer r.mu.Unlock()
	previous = r.status
	status.Since = time.Now()
	if previous.State == status.State {
		status.Since = previous.Since
	}
	r.status = status
	return previous
}

// report sets the status, and logs and emits what is new.
func (r *Registrar) report(status Status) {
	previous := r.setStatus(status)
	r.webhook.Observe(status)
	r.reportDelivery(previous.Info, status)
	if status.lost != "" {
		r.Logger.Warn("webhook lost", zap.String("url", status.URL), zap.String("found", status.lost), zap.String("remedy", lossRemedy(status.lost)))
		r.webhook.Emit("lost", map[string]any{"url": status.URL, "found": status.lost})
	}
	if status.Result == "ok" {
		r.Logger.Info("webhook registered", zap.String("url", status.URL), zap.String("reason", status.reason))
		r.webhook.Emit("registered", map[string]any{"url": status.URL})
	}
	if status.Rotation == "ok" {
		r.webhook.Emit("rotated", map[string]any{})
	}
	if status.State != Failing {
		r.reportedError = boundedlog.Repeated{}
	}
	switch {
	case status.State == Failing:
		if r.reportedError.IsNew(status.Detail, status.Remedy) {
			r.Logger.Error("webhook not registered", zap.String("error", status.Detail), zap.String("remedy", status.Remedy))
		}
	case status.State == previous.State || status.Result == "ok": // logged already, if at all
	case status.State == Registered:
		r.Logger.Info("webhook already registered", zap.String("url", status.URL))
	case status.State == Contested:
		r.Logger.Error("webhook contested", zap.String("found", status.found), zap.String("remedy", status.Remedy))
		r.webhook.Emit("contested", map[string]any{"found": status.found})
	case status.State == Deleted:
		r.Logger.Warn("webhook deleted on demand", zap.String("remedy", `run "caddy telegram-webhook register" to restore it`))
	case status.State == Superseded:
		r.Logger.Warn("webhook superseded", zap.String("detail", status.Detail))
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

// reportDelivery logs a delivery error that is newer than the previous answer.
func (r *Registrar) reportDelivery(previous botapi.WebhookInfo, status Status) {
	now := status.Info
	if !status.deliveryError || !now.LastErrorDate.After(previous.LastErrorDate) || !within(now.LastErrorDate, time.Hour) {
		return
	}
	r.Logger.Warn("updates not delivered by Telegram",
		zap.String("last_error", now.LastErrorMessage),
		zap.Time("last_error_at", now.LastErrorDate),
		zap.Int("pending", now.PendingUpdateCount))
	r.webhook.Emit("delivery_failing", map[string]any{"last_error": now.LastErrorMessage, "pending": now.PendingUpdateCount})
}
