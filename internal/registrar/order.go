package registrar

import (
	"context"
	"errors"
)

// order is what a person asks for. It is carried out at once, whatever the
// registrar waits for, and whoever else has registered the bot.
type order struct {
	do   errand
	drop bool       // throw away the updates that wait
	done chan error // what came of it
}

type errand int

const (
	look     errand = iota // see whether there is something to do
	register               // call setWebhook
	remove                 // call deleteWebhook, and register nothing until told
)

var errStopped = errors.New("the configuration has just been replaced; what had begun goes on, so look at the status before you ask again")

// Look makes an attempt now.
func (r *Registrar) Look(ctx context.Context) error { return r.order(ctx, order{do: look}) }

// Register registers the webhook now, whatever Telegram has.
func (r *Registrar) Register(ctx context.Context, drop bool) error {
	return r.order(ctx, order{do: register, drop: drop})
}

// Remove deletes the webhook. It stays so for all nodes, until it is to be
// registered or another configuration is.
func (r *Registrar) Remove(ctx context.Context, drop bool) error {
	return r.order(ctx, order{do: remove, drop: drop})
}

// order has an attempt made for it, and returns what came of that.
func (r *Registrar) order(ctx context.Context, o order) error {
	o.done = make(chan error, 1)
	select {
	case r.orders <- &o:
	case <-r.ended:
		return errStopped
	case <-ctx.Done():
		return errors.New("the attempt that is under way takes too long; ask again")
	}
	select {
	case err := <-o.done:
		return err
	case <-ctx.Done():
		return errors.New("there is no answer yet; it goes on")
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
