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

// wait returns when a call may be made, or the context has ended. Only one at a
// time asks the limiter: what it has promised to those that give up, as all do at
// a reload, it would not take back.
func (p *Pace) wait(ctx context.Context) {
	select {
	case p.turn <- struct{}{}:
		_ = p.limit.Wait(ctx) // its error is the context's
		<-p.turn
	case <-ctx.Done():
	}
}

// waiting is what the status says meanwhile.
const waiting = "Telegram takes only so many new bots at a time from one address, and others are before this one"

// awaitTurn waits until a bot that may be new to Telegram may be called for. An
// order of a person does not wait; nor does a bot that Telegram must know since it
// sends updates for it.
func (r *Registrar) awaitTurn(ctx context.Context) {
	if r.Pace == nil || r.looked || r.recorded(ctx) {
		return
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	if status := r.Status(); status.State == Pending {
		status.Detail = waiting
		r.set(status)
	}
	turn := make(chan struct{})
	go func() {
		defer close(turn)
		r.Pace.wait(ctx)
	}()
	select {
	case <-r.ordered:
	case <-r.kick:
	case <-turn:
	}
}

// recorded reports whether the bot has been registered before, by whichever node,
// so that Telegram knows it. Of a storage that fails the attempt tells, which then
// calls nobody.
func (r *Registrar) recorded(ctx context.Context) (is bool) {
	defer func() {
		if recover() != nil {
			is = true
		}
	}()
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	rec, err := r.store.load(ctx)
	return err != nil || !rec.CheckedAt.IsZero()
}
