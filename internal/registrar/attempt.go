package registrar

import (
	"context"
	"errors"
	"time"

	"go.uber.org/zap"
)

// Run works until the context ends. Of all registrars of a bot in this process
// only the one that was last made to lead does anything.
func (r *Registrar) Run(ctx context.Context) {
	context.AfterFunc(ctx, func() { close(r.stopped) })
	for ctx.Err() == nil {
		if r.asked = r.take(); r.asked == nil {
			r.awaitTurn(ctx)
			r.asked = r.take()
		}
		wait, ok := r.attempt(ctx)
		kick := r.kick
		if !ok {
			kick = nil // Telegram asked for the pause, or an error did
		}
		r.pause(ctx, wait, kick)
	}
}

// pause waits for so long, or for ever if it is 0, or for a kick or an order, or
// until the context ends.
func (r *Registrar) pause(ctx context.Context, wait time.Duration, kick <-chan struct{}) {
	var over <-chan time.Time
	if wait > 0 {
		timer := time.NewTimer(wait)
		defer timer.Stop()
		over = timer.C
	}
	select {
	case <-r.ordered:
	case <-ctx.Done():
	case <-over:
	case <-kick:
	}
}

// patience bounds one attempt: waiting for the lock, storage and Telegram.
const patience = 2 * time.Minute

// attempt makes one attempt. It returns when to make the next, 0 for never, and
// whether this one came to an end without an error.
func (r *Registrar) attempt(ctx context.Context) (wait time.Duration, ok bool) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	status, err := r.safely(ctx)
	replaced := errors.Is(ctx.Err(), context.Canceled) || !r.Leadership.Leads(r)
	outcome := err
	if replaced && (err != nil || status.Result == "" && status.State != Deleted) {
		outcome = errStopped
	}
	defer func() { r.answer(outcome, status.State) }()
	if _, ok := errors.AsType[notDeleted](err); ok && !replaced {
		// All is as it was, and there is nothing to try again.
		r.Logger.Error("webhook not deleted", zap.Error(err))
		r.events = nil
		return r.backoff.after(err), false
	}
	if replaced && (err != nil || status.Result == "") {
		// What the attempt came to is nobody's business any more.
		r.events = nil
		r.set(Status{State: Superseded, Detail: "a newer configuration of this process has taken over"})
		return jitter(r.Interval), true
	}
	if err != nil {
		status.State, status.Detail, status.Remedy = Failing, err.Error(), Remedy(err)
	}
	r.report(status, err)
	if err != nil {
		return r.backoff.after(err), false
	}
	r.backoff.reset()
	wait = jitter(r.Interval)
	if r.again > 0 && (wait == 0 || r.again < wait) {
		wait = r.again
	}
	return wait, true
}

// errPanic stands for a panic, whose value is not told: nobody knows what is in it.
var errPanic = errors.New("the registrar has panicked; the entry before has the stack")

// safely brings Telegram to what is wanted. A panic, in a storage module or
// here, ends the attempt and not the server.
func (r *Registrar) safely(ctx context.Context) (status Status, err error) {
	defer func() {
		if recover() != nil {
			r.Logger.Error("panic in the registrar", zap.Stack("stack"))
			err = errPanic
		}
	}()
	return r.bring(ctx)
}
