package registrar

import (
	"errors"
	"time"

	"go.uber.org/zap"

	"github.com/caddy-telegram/telegramwebhook/internal/botapi"
)

// report keeps the status and tells what has changed.
func (r *Registrar) report(status Status, err error) {
	r.mu.Lock()
	previous := r.status
	status.Since = time.Now()
	if previous.State == status.State {
		status.Since = previous.Since
	}
	if status.Info.URL == "" && status.Info.MaxConnections == 0 {
		status.Info = previous.Info // nothing new was asked
	}
	r.status = status
	r.mu.Unlock()

	r.Observe(status)
	r.reportDelivery(previous.Info, status.Info)
	switch {
	case err != nil && (previous.State != Failing || previous.Detail != status.Detail):
		r.Logger.Error("webhook not registered", zap.Error(err), zap.String("remedy", remedy(err)))
	case status.State == previous.State:
	case status.State == Contested:
		r.Logger.Error("webhook contested", zap.String("found", found(status.Info.URL)),
			zap.String("remedy", "find who else uses this bot token; if it has leaked, revoke it with @BotFather"))
		r.Emit("contested", map[string]any{"found": status.Info.URL})
	case status.State == Superseded:
		r.Logger.Warn("webhook superseded", zap.String("detail", status.Detail))
	}
}

// reportDelivery tells of an error that Telegram has met since the last look.
func (r *Registrar) reportDelivery(previous, now botapi.WebhookInfo) {
	if now.LastErrorDate.IsZero() || !now.LastErrorDate.After(previous.LastErrorDate) || !within(now.LastErrorDate, time.Hour) {
		return
	}
	r.Logger.Warn("Telegram cannot deliver updates",
		zap.String("last_error", now.LastErrorMessage),
		zap.Time("last_error_at", now.LastErrorDate),
		zap.Int("pending", now.PendingUpdateCount))
	r.Emit("delivery_failing", map[string]any{"last_error": now.LastErrorMessage, "pending": now.PendingUpdateCount})
}

// remedy says what a person can do about an error.
func remedy(err error) string {
	if errors.Is(err, errConfiguration) {
		return "correct the configuration and reload"
	}
	refusal, ok := errors.AsType[*botapi.Error](err)
	switch {
	case !ok || refusal.Code >= 500:
		return "none needed if it passes: it is tried again"
	case refusal.Code == 401 || refusal.Code == 404:
		return "check bot_token: Telegram does not know it"
	case refusal.Code == 429 || refusal.Code == 409:
		return "none: it is tried again"
	default:
		return "correct what Telegram complains about and reload; it is tried again rarely"
	}
}
