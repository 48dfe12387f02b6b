package registrar

import (
	"context"
	"time"

	"golang.org/x/time/rate"
)

// Pace has the first calls for new bots made no faster than Telegram takes them,
// in the order in which they are asked for. The registrars of a process share
// one, since their calls come from one address.
type Pace struct {
	limit *rate.Limiter
	turn  chan struct{} // held by the one that is next
}

// Telegram answers 429 when more than 20 tokens that it does not know come from an
// address within a minute, or more than 600 within an hour. With these numbers no
// minute has more than firstBots and a sixtieth of hourlyBots, and no hour more
// than both together.
const (
	firstBots  = 10
	hourlyBots = 590
)

// NewPace makes a pace that is Telegram's.
func NewPace() *Pace {
	return &Pace{rate.NewLimiter(rate.Every(time.Hour/hourlyBots), firstBots), make(chan struct{}, 1)}
}

// waitingForTurn is the detail of a status meanwhile.
const waitingForTurn = "Telegram takes only so many new bots at a time from one address, and others are before this one"

// awaitTurn waits until a bot that may be new to Telegram may be called for. An
// order of a person does not wait; nor does a bot that Telegram must know since it
// sends updates for it. Only one registrar at a time asks the limiter, which takes
// back only the last reservation: all that wait may give up at once, at a reload.
func (r *Registrar) awaitTurn(ctx context.Context) {
	if r.Pace == nil || r.hasAsked || r.isRecorded(ctx) {
		return
	}
	if status := r.Status(); status.State == Pending {
		status.Detail = waitingForTurn
		r.setStatus(status)
	}
	select {
	case r.Pace.turn <- struct{}{}:
		defer func() { <-r.Pace.turn }()
	case o := <-r.orders:
		r.enqueue(o)
		return
	case <-r.wakeup:
		return
	case <-ctx.Done():
		return
	}
	reservation := r.Pace.limit.Reserve()
	if delay := reservation.Delay(); delay > 0 && !r.pause(ctx, delay, r.wakeup) {
		reservation.Cancel()
	}
}

// isRecorded reports whether the bot has been registered before, by whichever node,
// so that Telegram knows it. A storage that fails is left to the attempt, which then
// calls nobody.
func (r *Registrar) isRecorded(ctx context.Context) (recorded bool) {
	defer func() { recorded = recover() != nil || recorded }()
	ctx, cancel := context.WithTimeout(ctx, attemptTimeout)
	defer cancel()
	rec, err := r.loadRecord(ctx)
	return err != nil || !rec.CheckedAt.IsZero()
}
