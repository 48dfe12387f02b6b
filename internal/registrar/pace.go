package registrar

import (
	"context"
	"time"

	"golang.org/x/time/rate"
)

// Pace limits the first calls for new bots to Telegram's rate, and the number of calls at a
// time. The registrars of a process share one, since their calls come from one address.
type Pace struct {
	limit *rate.Limiter
	turn  chan struct{} // filled by the registrar whose turn is next
	calls chan struct{} // filled by the calls under way
}

// maxCalls bounds the calls under way: with hundreds of bots, a restart would open as many connections to the Bot API.
const maxCalls = 8

// beginCall waits until a call may be made. The caller calls end afterwards.
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

// Telegram answers 429 to an address that sends more than 20 unknown tokens within a minute,
// or more than 600 within an hour.
const (
	firstBots  = 10
	hourlyBots = 590
)

// NewPace returns Telegram's pace.
func NewPace() *Pace {
	return &Pace{rate.NewLimiter(rate.Every(time.Hour/hourlyBots), firstBots), make(chan struct{}, 1), make(chan struct{}, maxCalls)}
}

// awaitTurn waits until a call for a bot that may be new to Telegram may be made, and reports whether it may. It also
// returns after an order, or after an update of the bot, which Telegram knows then. Only one registrar at a time holds
// a reservation, since the limiter can cancel only the last one, and a reload ends all waits at once.
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
