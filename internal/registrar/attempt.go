package registrar

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"time"

	"go.uber.org/zap"

	"github.com/caddy-telegram/telegramwebhook/internal/botapi"
	"github.com/caddy-telegram/telegramwebhook/internal/status"
)

// run makes attempts until the context ends.
func (r *Registrar) run(ctx context.Context) {
	defer close(r.done)
	select {
	case <-r.Begin:
		if until := r.takeOver(); !until.IsZero() {
			r.rest(ctx, until)
		}
	case <-ctx.Done():
	}
	for ctx.Err() == nil {
		r.takeOrders()
		wait, ok := r.tryOnce(ctx)
		switch state := r.Status().State; {
		case !ok:
			r.pause(ctx, wait, nil) // Telegram asked for the pause, or an error did
		case state == status.Pending:
			r.hasTurn = r.awaitTurn(ctx)
		case state == status.Registered && wait > 0:
			r.rest(ctx, time.Now().Add(wait))
		default:
			r.pause(ctx, wait, r.wakeup)
		}
	}
}

// takeOver makes r the leader: the registrar of the older configuration makes no more calls,
// even before it is stopped. If that one rests and had the same configuration, takeOver returns
// the end of the rest: a reload without a change uses neither storage nor Telegram.
func (r *Registrar) takeOver() (until time.Time) {
	before := r.Memory.leader.Swap(r)
	want, err := r.webhook.Wanted()
	if before == nil || err != nil {
		return until
	}
	before.mu.Lock()
	until, now := before.restsUntil, before.status
	before.mu.Unlock()
	if until.IsZero() || now.fingerprint != fingerprint(r.MACKey, want) || before.Interval != r.Interval {
		return time.Time{}
	}
	r.hasAsked, r.ownFingerprint = true, now.fingerprint
	now.news = news{}
	r.report(now)
	return until
}

// rest waits between two attempts, while the webhook is registered. The next configuration can continue it.
func (r *Registrar) rest(ctx context.Context, until time.Time) {
	r.setRest(until)
	r.pause(ctx, max(time.Until(until), time.Millisecond), r.wakeup)
	if ctx.Err() == nil {
		r.setRest(time.Time{})
	}
}

func (r *Registrar) setRest(until time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.restsUntil = until
}

// pause waits, with 0 for ever, until the registrar is woken or gets an order, or the
// context ends. It reports whether the time is over.
func (r *Registrar) pause(ctx context.Context, wait time.Duration, wakeup <-chan struct{}) bool {
	var over <-chan time.Time
	if wait > 0 {
		over = time.After(wait)
	}
	for len(r.waiting) == 0 {
		select {
		case <-over:
			return true
		case o := <-r.orders:
			r.enqueue(o)
		case <-ctx.Done():
			return false
		case <-wakeup:
			return false
		}
	}
	return false
}

// tryOnce makes an attempt, and reports its outcome. It returns the time until the next
// attempt, 0 for never, and whether this one has succeeded.
func (r *Registrar) tryOnce(ctx context.Context) (wait time.Duration, ok bool) {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Minute) // for the lock, storage and Telegram together
	defer cancel()
	now, err := r.attempt(ctx)
	ended := errors.Is(ctx.Err(), context.Canceled) || r.Memory.leader.Load() != r
	switch {
	case ended && (err != nil || now.Result == ""):
		if err != nil || now.State != status.Deleted {
			err = errStopped
		}
		r.setStatus(Status{Webhook: status.Webhook{State: status.Superseded, Detail: "a newer configuration of this process has taken over"}})
		wait, ok = botapi.Jitter(r.Interval), true
	case now.undeleted:
		r.Logger.Error("webhook not deleted", zap.Error(err))
		wait = r.retryAfter(err)
	case err != nil:
		now.State, now.Detail = status.Failing, err.Error()
		now.Remedy, _ = Remedy(err)
		r.report(now)
		wait = r.retryAfter(err)
	default:
		r.report(now)
		r.backoff = 0
		wait, ok = botapi.Jitter(r.Interval), true
		if step := time.Until(now.nextStep); !now.nextStep.IsZero() && (wait == 0 || step < wait) {
			wait = max(step, time.Millisecond)
		}
	}
	r.answerOrders(err, now.State)
	return wait, ok
}

// attempt is one walk through the table.
type attempt struct {
	*Registrar
	want              botapi.Webhook
	secretFingerprint string
	secretErr         error // of storage; the registration goes on with the secret in memory
	rec               record
	facts             facts
	status            Status
}

// attempt walks through the table under the bot's lock, after a fresh look at the
// record. A panic, in a storage module or here, ends the attempt and not the server.
func (r *Registrar) attempt(ctx context.Context) (outcome Status, err error) {
	a := &attempt{Registrar: r, status: r.Status()}
	a.status.Detail, a.status.Remedy, a.status.news = "", "", news{}
	defer func() {
		if recover() != nil { // its value may hold a secret
			r.Logger.Error("panic in the registrar", zap.Stack("stack"))
			err = errors.New("panic in the registrar; the log has the stack")
		}
		if err != nil && a.facts&suspected != 0 && a.status.Result != "ok" {
			r.suspicious.Store(true)
		}
		outcome = a.status
	}()
	if a.want, err = a.webhook.Wanted(); err != nil {
		return outcome, configurationError{err}
	}
	a.status.fingerprint = fingerprint(a.MACKey, a.want)
	unlock, err := a.lock(ctx)
	if err != nil {
		return outcome, err
	}
	defer unlock()
	if a.rec, err = a.loadRecord(ctx); err != nil {
		return outcome, err
	}
	defer func() { a.status.describe(&a.rec) }()
	a.gatherFacts()
	for state := ""; state == ""; {
		row := next(a.facts)
		if row.action != nil {
			if err := row.action(a, ctx); err != nil {
				a.recordFailure(ctx, err)
				return outcome, err
			}
		}
		if state = row.state; state != "" {
			a.status.enter(row, &a.rec)
		}
	}
	if a.facts&secretKnown != 0 { // Telegram has the secret now, which may end a rotation
		ctx, cancel := withGrace(ctx)
		defer cancel()
		var rotated bool
		if rotated, err = a.Secrets.Registered(ctx, a.want.Secret); rotated {
			a.status.Rotation = "ok"
		}
		a.status.nextStep = a.Secrets.Status().NextStep
	}
	return outcome, cmp.Or(err, a.secretErr)
}

func (a *attempt) add(some facts, hold bool) {
	if hold {
		a.facts |= some
	}
}

// gatherFacts gathers the facts that are known before Telegram is asked.
func (a *attempt) gatherFacts() {
	rec := &a.rec
	if t := a.status.Telegram; rec.Told != nil && (t == nil || rec.ToldAt.After(t.At)) {
		a.status.setTelegram(*rec.Told, rec.ToldAt) // another node has asked
	}
	isOurs := rec.Fingerprint == a.status.fingerprint
	a.add(replaced, a.Memory.leader.Load() != a.Registrar)
	a.add(deleteOrdered, a.order.Kind == OrderDelete)
	a.add(registerOrdered, a.order.Kind == OrderRegister)
	a.add(ours, isOurs)
	a.add(deleted, rec.Deleted)
	a.add(unrecorded, rec.Fingerprint == "")
	a.add(superseded, !isOurs && a.isSuperseded())
	a.add(contested, rec.Contested != "")
	a.add(newBot, a.Pace != nil && a.order == Order{} && !a.hasAsked && !a.hasTurn && rec.CheckedAt.IsZero())
	a.add(askedLately, a.hasAsked && rec.Process != a.Node.Process && within(rec.CheckedAt, a.Interval/5*4))
	// A superseded configuration may have another secret by right.
	a.add(suspected, a.suspicious.Swap(false) && a.facts&superseded == 0 && !within(rec.RegisteredAt, suspicionInterval))
	a.hasTurn = false
	a.Memory.Alone.Store(!slices.ContainsFunc(rec.Nodes, func(p participant) bool { return p.Node != a.Node.Name }))
	if isOurs {
		a.ownFingerprint = a.status.fingerprint
	}
}
