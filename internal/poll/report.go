package poll

import (
	"errors"
	"time"

	"go.uber.org/zap"

	"github.com/caddy-telegram/telegramwebhook/internal/boundedlog"
	"github.com/caddy-telegram/telegramwebhook/internal/status"
)

// Status describes the fetching. The state is status.Polling, status.Failing or status.Standby;
// empty before the end of the first attempt, and after Stop.
type Status struct {
	State       string
	Since       time.Time
	Detail      string    // the problem; empty for none
	Remedy      string    // of the problem
	Waiting     int       // fetched updates that are not taken
	FetchedAt   time.Time // when Telegram last answered
	LeaseHolder string    // another process that fetches; empty for none
}

// Status returns the status.
func (p *Poller) Status() Status {
	if p == nil {
		return Status{}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	now := p.status
	now.Waiting = p.waiting()
	return now
}

// setStatus sets the status and returns the one before.
func (p *Poller) setStatus(now Status) (previous Status) {
	p.mu.Lock()
	defer p.mu.Unlock()
	previous = p.status
	now.Since, now.FetchedAt = time.Now(), previous.FetchedAt
	if previous.State == now.State {
		now.Since = previous.Since
	}
	p.status = now
	return previous
}

const (
	webhookRemedy  = `if the webhook is not needed, remove it with "caddy telegram-webhook delete"; pending updates are kept`
	conflictRemedy = "if the bot's framework polls (getUpdates) when it starts, turn that off; else find the other installation with this bot token; " +
		"if the token has leaked, revoke it with @BotFather"
)

// report sets the status, and logs a change.
func (p *Poller) report(c Config, now Status) {
	previous := p.setStatus(now)
	switch {
	case now.State == status.Failing:
		if !p.reported.IsNew(now.Detail, now.Remedy) {
			return
		}
		c.Logger.Error("updates not fetched", zap.String("error", now.Detail), zap.String("remedy", now.Remedy))
		if now.Remedy == conflictRemedy {
			emit(c, "contested", map[string]any{"found": "another program that calls getUpdates"})
		}
		return
	case now.State == previous.State && now.LeaseHolder == previous.LeaseHolder:
	case now.State == status.Polling:
		c.Logger.Info("fetching updates")
	case now.State == status.Standby:
		c.Logger.Info("updates fetched by another node", zap.String("node", now.LeaseHolder))
	}
	p.reported = boundedlog.Repeated{}
}

// emit emits an event, to subscribers that may panic.
func emit(c Config, event string, data map[string]any) {
	defer catchPanic(c.Logger, new(error))
	c.Webhook.Emit(event, data)
}

var errPanicked = errors.New("panic in the poller; the log has the stack")

// catchPanic turns a panic, of a storage module or here, into an error. It drops the panic's
// value, which may hold a secret.
func catchPanic(logger *zap.Logger, err *error) {
	if recover() != nil {
		logger.Error("panic in the poller", zap.Stack("stack"))
		*err = errPanicked
	}
}
