package registrar

import (
	"errors"
	"time"

	"go.uber.org/zap"

	"github.com/caddy-telegram/telegramwebhook/internal/botapi"
	"github.com/caddy-telegram/telegramwebhook/internal/secret"
)

// event is one that is yet to be emitted.
type event struct {
	name string
	data map[string]any
}

// tell keeps an event until the attempt is over and its lock given back.
func (r *Registrar) tell(name string, data map[string]any) {
	r.events = append(r.events, event{name, data})
}

// set keeps the status and returns the one before.
func (r *Registrar) set(status Status) (previous Status) {
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

// report keeps the status and tells what has changed.
func (r *Registrar) report(status Status, err error) {
	previous := r.set(status)
	r.webhook.Observe(status)
	if status.failedAnew {
		r.reportDelivery(previous.Info, status.Info)
	}
	if err != nil {
		r.reportError(err)
	} else {
		r.told = errorTold{}
	}
	if err == nil && status.State != previous.State {
		switch status.State {
		case Registered:
			if status.Result == "" {
				r.Logger.Info("webhook as configured; nothing to register", zap.String("url", status.URL))
			}
		case Contested:
			r.Logger.Error("webhook contested", zap.String("found", status.found),
				zap.String("remedy", "find who else uses this bot token; if it has leaked, revoke it with @BotFather"))
			r.tell("contested", map[string]any{"found": status.found})
		case Deleted:
			r.Logger.Warn("webhook deleted on demand; it is not registered until that is asked for")
		case Superseded:
			r.Logger.Warn("webhook superseded", zap.String("detail", status.Detail))
		}
	}
	for _, e := range r.events {
		r.webhook.Emit(e.name, e.data)
	}
	r.events = nil
}

// errorTold is the error that was logged last.
type errorTold struct {
	text, remedy string
	at           time.Time
}

// retellAfter is how soon an error is logged again that differs in its text
// alone: there may be a port or a number of seconds in it that is never the same.
const retellAfter = 10 * time.Minute

// reportError logs an error once.
func (r *Registrar) reportError(err error) {
	now := errorTold{err.Error(), Remedy(err), time.Now()}
	if now.remedy == r.told.remedy && (now.text == r.told.text || within(r.told.at, retellAfter)) {
		return
	}
	r.told = now
	r.Logger.Error("webhook not registered", zap.String("error", now.text), zap.String("remedy", now.remedy))
}

// tellLost tells that somebody else has changed the webhook, once for what was found.
func (r *Registrar) tellLost(want botapi.Webhook, info botapi.WebhookInfo) {
	if r.lost == found(info.URL) {
		return
	}
	r.lost = found(info.URL)
	r.Logger.Warn("webhook lost: somebody else has changed it", zap.String("url", want.URL), zap.String("found", r.lost))
	r.tell("lost", map[string]any{"url": want.URL, "found": r.lost})
}

func found(url string) string {
	if url == "" {
		return "no webhook at all"
	}
	return url
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
	r.tell("delivery_failing", map[string]any{"last_error": now.LastErrorMessage, "pending": now.PendingUpdateCount})
}

// Remedy says what a person can do about an error.
func Remedy(err error) string {
	refusal, refused := errors.AsType[*botapi.Error](err)
	switch {
	case errors.Is(err, errStopped):
		return "look at the status, and ask again if need be"
	case errors.Is(err, errConfiguration):
		return "correct the configuration and reload"
	case errors.Is(err, errNewer), errors.Is(err, secret.ErrNewer):
		return "update this node; or, if all have gone back to this version, delete the record from storage"
	case !refused || refusal.Code >= 500:
		return "none at first: it is tried again; if it goes on, see whether this machine reaches the Bot API and Caddy's storage"
	case refusal.Code == 401 || refusal.Code == 404:
		return "check bot_token: Telegram does not know it"
	case refusal.Code == 429 || refusal.Code == 409:
		return "none: it is tried again"
	default:
		return "correct what Telegram complains about and reload; it is tried again rarely"
	}
}
