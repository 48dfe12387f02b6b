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
	Contested  State = "contested"  // somebody else registers the same bot
	Superseded State = "superseded" // another configuration has taken over
	Deleted    State = "deleted"    // a person has deleted the webhook, and it stays deleted until a person registers it
)

// Status is what is known of a registration.
type Status struct {
	State  State
	Since  time.Time
	Detail string             // what is wrong, if anything
	Remedy string             // what a person can do about it
	Info   botapi.WebhookInfo // Telegram's last answer to getWebhookInfo
	InfoAt time.Time          // when that was

	// The registration as all nodes know it.
	URL          string
	RegisteredBy string
	RegisteredAt time.Time
	Leader       string // the process that has looked last

	news
}

// news is what an attempt has found or done, to be reported after it.
type news struct {
	Result   string // of setWebhook; empty if it was not called
	Rotation string // of the secret: ok if it has ended, failed if the next secret was not registered

	found         string    // in the place of a contested webhook
	lost          string    // the same, when somebody else has just changed it
	undeleted     bool      // the webhook was not deleted, though a person has ordered that
	deliveryError bool      // Telegram has met an error that no node has reported yet
	reason        string    // why the state was entered
	nextStep      time.Time // of a rotation; zero for none
}

// setInfo records Telegram's answer, for this node and all others.
func (s *Status) setInfo(info botapi.WebhookInfo, rec *record) {
	s.Info, s.InfoAt = info, time.Now()
	rec.Told, rec.ToldAt = &info, s.InfoAt
}

// enter sets the state, and describes what has led to it.
func (s *Status) enter(state State, rec *record) {
	s.State = state
	switch {
	case state == Pending:
		s.Detail = "Telegram takes only so many new bots at a time from one address, and others are before this one"
	case state == Contested:
		s.found, s.Remedy = rec.Contested, rivals(rec.Contested)
		s.Detail = "somebody else registers this bot with " + s.found
	case state == Superseded && rec.Deleted:
		s.Detail = fmt.Sprintf("node %s, which has another configuration, has deleted the webhook on demand", rec.Process)
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

// report sets the status and tells everybody what is new.
func (r *Registrar) report(status Status) {
	previous := r.setStatus(status)
	r.webhook.Observe(status)
	r.reportDelivery(previous.Info, status)
	if status.lost != "" {
		r.Logger.Warn("webhook lost", zap.String("url", status.URL), zap.String("found", status.lost), zap.String("remedy", rivals(status.lost)))
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
		r.Logger.Info("webhook as configured; nothing to register", zap.String("url", status.URL))
	case status.State == Contested:
		r.Logger.Error("webhook contested", zap.String("found", status.found), zap.String("remedy", rivals(status.found)))
		r.webhook.Emit("contested", map[string]any{"found": status.found})
	case status.State == Deleted:
		r.Logger.Warn("webhook deleted on demand; it is not registered until that is asked for")
	case status.State == Superseded:
		r.Logger.Warn("webhook superseded", zap.String("detail", status.Detail))
	}
}

// rivals returns who may have changed the webhook, the most likely first.
func rivals(found string) string {
	if found == sameAddress {
		return "another installation registers this bot with a secret of its own: let both share Caddy's storage, or give both the same secret"
	}
	return "see whether the bot's framework calls setWebhook or polls when it starts, and turn that off; else find the other installation with this bot token; " +
		"if the token has leaked, revoke it with @BotFather"
}

// reportDelivery logs an error that Telegram has met since it was asked before.
func (r *Registrar) reportDelivery(previous botapi.WebhookInfo, status Status) {
	now := status.Info
	if !status.deliveryError || !now.LastErrorDate.After(previous.LastErrorDate) || !within(now.LastErrorDate, time.Hour) {
		return
	}
	r.Logger.Warn("Telegram cannot deliver updates",
		zap.String("last_error", now.LastErrorMessage),
		zap.Time("last_error_at", now.LastErrorDate),
		zap.Int("pending", now.PendingUpdateCount))
	r.webhook.Emit("delivery_failing", map[string]any{"last_error": now.LastErrorMessage, "pending": now.PendingUpdateCount})
}
