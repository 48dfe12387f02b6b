package registrar

import (
	"time"

	"go.uber.org/zap"

	"github.com/caddy-telegram/telegramwebhook/internal/botapi"
)

// event is one that is yet to be emitted.
type event struct {
	name string
	data map[string]any
}

// addEvent keeps an event until the attempt is over and its lock given back.
func (r *Registrar) addEvent(name string, data map[string]any) {
	r.events = append(r.events, event{name, data})
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

// report sets the status and tells everybody what has changed.
func (r *Registrar) report(status Status, err error) {
	previous := r.setStatus(status)
	r.webhook.Observe(status)
	if status.freshError {
		r.reportDelivery(previous.Info, status.Info)
	}
	if err != nil {
		r.reportError(err)
	} else {
		r.reportedError = reportedError{}
		if status.State != previous.State {
			r.reportState(status)
		}
	}
	for _, e := range r.events {
		r.webhook.Emit(e.name, e.data)
	}
	r.events = nil
}

// reportState logs a new state.
func (r *Registrar) reportState(status Status) {
	switch status.State {
	case Registered:
		if status.Result == "" {
			r.Logger.Info("webhook as configured; nothing to register", zap.String("url", status.URL))
		}
	case Contested:
		r.Logger.Error("webhook contested", zap.String("found", status.found),
			zap.String("remedy", "find who else uses this bot token; if it has leaked, revoke it with @BotFather"))
		r.addEvent("contested", map[string]any{"found": status.found})
	case Deleted:
		r.Logger.Warn("webhook deleted on demand; it is not registered until that is asked for")
	case Superseded:
		r.Logger.Warn("webhook superseded", zap.String("detail", status.Detail))
	}
}

// reportedError is the error that was logged last.
type reportedError struct {
	text, remedy string
	at           time.Time
}

// repeatAfter is how soon an error is logged again that differs in its text
// alone: there may be a port or a number of seconds in it that is never the same.
const repeatAfter = 10 * time.Minute

// reportError logs an error once.
func (r *Registrar) reportError(err error) {
	now, last := reportedError{err.Error(), Remedy(err), time.Now()}, r.reportedError
	if now.remedy == last.remedy && (now.text == last.text || within(last.at, repeatAfter)) {
		return
	}
	r.reportedError = now
	r.Logger.Error("webhook not registered", zap.String("error", now.text), zap.String("remedy", now.remedy))
}

// reportLoss logs that somebody else has changed the webhook, once for what was found.
func (r *Registrar) reportLoss(want botapi.Webhook, info botapi.WebhookInfo) {
	found := describeURL(info.URL)
	if r.reportedLoss == found {
		return
	}
	r.reportedLoss = found
	r.Logger.Warn("webhook lost: somebody else has changed it", zap.String("url", want.URL), zap.String("found", found))
	r.addEvent("lost", map[string]any{"url": want.URL, "found": found})
}

func describeURL(url string) string {
	if url == "" {
		return "no webhook at all"
	}
	return url
}

// reportDelivery logs an error that Telegram has met since it was asked before.
func (r *Registrar) reportDelivery(previous, now botapi.WebhookInfo) {
	if !now.LastErrorDate.After(previous.LastErrorDate) || !within(now.LastErrorDate, time.Hour) {
		return
	}
	r.Logger.Warn("Telegram cannot deliver updates",
		zap.String("last_error", now.LastErrorMessage),
		zap.Time("last_error_at", now.LastErrorDate),
		zap.Int("pending", now.PendingUpdateCount))
	r.addEvent("delivery_failing", map[string]any{"last_error": now.LastErrorMessage, "pending": now.PendingUpdateCount})
}
