package registrar

import (
	"context"
	"time"

	"golang.org/x/time/rate"
)

// Pace has the first calls for new bots made no faster than Telegram takes them, and a few
// calls at a time for all. The registrars of a process share one, since their calls come from
// one address.
type Pace struct {
	limit *rate.Limiter
	turn  chan struct{} // held by the one that is next
	calls chan struct{} // filled by each attempt that calls
}

// maxCalls bounds the calls that are under way at once: with hundreds of bots, a restart would
// open as many connections to the Bot API.
const maxCalls = 8

// beginCall waits until a call may be made, and returns what ends it.
func (p *Pace) beginCall(ctx context.Context) (end func(), err error) {
	if p == nil {
		return func() {}, nil
	}
	select {
	case p.calls <- struct{}{}:
		return func() { <-p.calls }, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// Telegram answers 429 when more than 20 tokens that it does not know come from an
// address within a minute, or more than 600 within an hour.
const (
	firstBots  = 10
	hourlyBots = 590
)

// NewPace returns Telegram's pace.
func NewPace() *Pace {
	return &Pace{rate.NewLimiter(rate.Every(time.Hour/hourlyBots), firstBots), make(chan struct{}, 1), make(chan struct{}, maxCalls)}
}

// awaitTurn waits until a bot that may be new to Telegram may be called for. It
// reports whether that is so: it also returns when a person gives an order, or when
// Telegram must know the bot since it sends updates for it. Only one registrar at a
// time asks the limiter, which takes back the last reservation alone: all that wait
// may give up at once, at a reload.
func (r *Registrar) awaitTurn(ctx context.Context) bool {
	for len(r.waiting) == 0 {
		select {
		case r.Pace.turn <- struct{}{}:
			reservation := r.Pace.limit.Reserve()
			delay := reservation.Delay()
			ready := delay == 0 || r.pause(ctx, delay, r.wakeup)
			if !ready {
				reservation.Cancel()
			}
			<-r.Pace.turn
			return ready
		case o := <-r.orders:
			r.enqueue(o)
		case <-r.wakeup:
			return false
		case <-ctx.Done():
			return false
		}
	}
	return false
}
