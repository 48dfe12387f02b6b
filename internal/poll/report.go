package poll

import (
	"errors"
	"time"

	"go.uber.org/zap"

	"github.com/caddy-telegram/telegramwebhook/internal/boundedlog"
)

// State is how fetching stands.
type State string

const (
	Polling State = "polling" // updates are fetched
	Failing State = "failing" // the last attempt failed; it is tried again
	Standby State = "standby" // another node fetches
)

// Status describes the fetching. The state is empty before the end of the first attempt, and after Stop.
type Status struct {
	State       State
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
	status := p.status
	status.Waiting = p.waiting()
	return status
}

// setStatus sets the status and returns the one before.
func (p *Poller) setStatus(status Status) (previous Status) {
	p.mu.Lock()
	defer p.mu.Unlock()
	previous = p.status
	status.Since, status.FetchedAt = time.Now(), previous.FetchedAt
	if previous.State == status.State {
		status.Since = previous.Since
	}
	p.status = status
	return previous
}

const (
	webhookRemedy  = `if the webhook is not needed, remove it with "caddy telegram-webhook delete"; pending updates are kept`
	conflictRemedy = "if the bot's framework polls (getUpdates) when it starts, turn that off; else find the other installation with this bot token; " +
		"if the token has leaked, revoke it with @BotFather"
)

// report sets the status, and logs a change.
func (p *Poller) report(c Config, status Status) {
	previous := p.setStatus(status)
	switch {
	case status.State == Failing:
		if !p.reported.IsNew(status.Detail, status.Remedy) {
			return
		}
		c.Logger.Error("updates not fetched", zap.String("error", status.Detail), zap.String("remedy", status.Remedy))
		if status.Remedy == conflictRemedy {
			emit(c, "contested", map[string]any{"found": "another program that calls getUpdates"})
		}
		return
	case status.State == previous.State && status.LeaseHolder == previous.LeaseHolder:
	case status.State == Polling:
		c.Logger.Info("fetching updates")
	case status.State == Standby:
		c.Logger.Info("updates fetched by another node", zap.String("node", status.LeaseHolder))
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
