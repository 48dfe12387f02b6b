package registrar

import (
	"context"
	"errors"
	"slices"
)

// order is what a person asks for. It is carried out at once, whatever the
// registrar waits for, and whoever else has registered the bot. All who ask for
// the same thing before its attempt begins share that attempt.
type order struct {
	do   errand
	drop bool // throw away the updates that wait

	// What follows is guarded by Registrar.mu until done is closed.
	callers int           // how many wait for it
	done    chan struct{} // closed when it has been carried out
	err     error         // what came of it
}

type errand int

const (
	look     errand = iota // see whether there is something to do
	register               // call setWebhook
	remove                 // call deleteWebhook, and register nothing until told
	rotate                 // renew the secret, over as many attempts as that takes
)

var errStopped = errors.New("this configuration has ended, since Caddy stops or another one has taken its place; what had begun may have been carried out all the same")

// Look makes an attempt now.
func (r *Registrar) Look(ctx context.Context) error { return r.order(ctx, look, false) }

// Register registers the webhook now, whatever Telegram has.
func (r *Registrar) Register(ctx context.Context, drop bool) error {
	return r.order(ctx, register, drop)
}

// Remove deletes the webhook. It stays so for all nodes, until it is to be
// registered or another configuration is.
func (r *Registrar) Remove(ctx context.Context, drop bool) error { return r.order(ctx, remove, drop) }

// Rotate renews the secret, and returns when Telegram has the new one. Whoever asks
// while a rotation is under way waits for that one.
func (r *Registrar) Rotate(ctx context.Context) error { return r.order(ctx, rotate, false) }

// order has something carried out, and returns what came of it.
func (r *Registrar) order(ctx context.Context, do errand, drop bool) error {
	o := r.join(do, drop)
	select {
	case <-o.done:
		return o.err
	case <-r.stopped:
		return errStopped
	case <-ctx.Done():
	}
	if r.withdraw(o) {
		return errors.New("the attempt that is under way takes too long; ask again")
	}
	return errors.New("there is no answer yet; it goes on")
}

// join returns the order for which a caller waits: one that others wait for
// already, or a new one.
func (r *Registrar) join(do errand, drop bool) *order {
	r.mu.Lock()
	defer r.mu.Unlock()
	o := r.rotation
	if do != rotate || o == nil {
		i := slices.IndexFunc(r.waiting, func(o *order) bool { return o.do == do && o.drop == drop })
		if i < 0 {
			i = len(r.waiting)
			r.waiting = append(r.waiting, &order{do: do, drop: drop, done: make(chan struct{})})
		}
		o = r.waiting[i]
	}
	o.callers++
	r.signal()
	return o
}

// withdraw takes a caller away from an order. It reports whether the order will not
// be carried out, since nobody waits for it any more and its attempt has not begun.
func (r *Registrar) withdraw(o *order) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	o.callers--
	i := slices.Index(r.waiting, o)
	if i < 0 || o.callers > 0 {
		return false
	}
	r.waiting = slices.Delete(r.waiting, i, i+1)
	r.signal()
	return true
}

// take returns the order that an attempt is to be made for; nil if there is none.
func (r *Registrar) take() *order {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.waiting) == 0 {
		return nil
	}
	o := r.waiting[0]
	r.waiting = r.waiting[1:]
	if o.do == rotate {
		r.rotation = o
	}
	r.signal()
	return o
}

// signal keeps ordered filled exactly while orders wait.
func (r *Registrar) signal() {
	if len(r.waiting) > 0 {
		select {
		case r.ordered <- struct{}{}:
		default:
		}
		return
	}
	select {
	case <-r.ordered:
	default:
	}
}

// answer tells those who wait what an attempt has come to. A rotation goes on over
// further attempts until Telegram has the new secret, or something is in the way.
func (r *Registrar) answer(err error, state State) {
	over := err != nil || state != Registered || !r.Secrets.Status().Rotating
	r.mu.Lock()
	defer r.mu.Unlock()
	if o := r.asked; o != nil && o != r.rotation {
		o.err = err
		close(o.done)
	}
	if o := r.rotation; o != nil && over {
		o.err, r.rotation = err, nil
		close(o.done)
	}
}

// notDeleted is the error of a webhook that was not deleted on demand.
type notDeleted struct{ error }

func (e notDeleted) Unwrap() error { return e.error }

// remove carries the order out, under the bot's lock.
func (r *Registrar) remove(ctx context.Context, sum string, rec *record, status *Status) error {
	if err := r.API.DeleteWebhook(ctx, r.asked.drop); err != nil {
		return notDeleted{err}
	}
	rec.Fingerprint, rec.Deleted, rec.URL, rec.Seen = sum, true, "", nil
	r.owned, r.lost = sum, ""
	rec.lookedAt(r.Node)
	status.State = Deleted
	return r.save(ctx, *rec)
}
