package registrar

import (
	"context"
	"errors"
	"slices"
	"sync/atomic"
)

// order is what a person asks for. It is carried out at once, whatever the
// registrar waits for, and whoever else has registered the bot.
type order struct {
	kind   orderKind
	drop   bool        // throw away the updates that wait
	closed atomic.Bool // carried out or withdrawn, whichever came first
	answer chan error
}

// orderKind is what an order asks for.
type orderKind int

const (
	orderCheck    orderKind = iota // see whether there is something to do
	orderRegister                  // call setWebhook
	orderDelete                    // call deleteWebhook, and register nothing until a person asks for it
	orderRotate                    // renew the secret, over as many attempts as that takes
)

// is reports whether an order is of that kind; no order is of none.
func (o *order) is(kind orderKind) bool { return o != nil && o.kind == kind }

// Check makes an attempt now.
func (r *Registrar) Check(ctx context.Context) error { return r.carryOut(ctx, orderCheck, false) }

// Register registers the webhook now, whatever Telegram has.
func (r *Registrar) Register(ctx context.Context, drop bool) error {
	return r.carryOut(ctx, orderRegister, drop)
}

// Delete deletes the webhook. It stays deleted, for all nodes, until Register is
// called or another configuration is registered.
func (r *Registrar) Delete(ctx context.Context, drop bool) error {
	return r.carryOut(ctx, orderDelete, drop)
}

// Rotate renews the secret, and returns when Telegram has the new one. Whoever asks
// while a rotation is under way waits for that one.
func (r *Registrar) Rotate(ctx context.Context) error { return r.carryOut(ctx, orderRotate, false) }

// carryOut places an order, and returns what came of it.
func (r *Registrar) carryOut(ctx context.Context, kind orderKind, drop bool) error {
	o := &order{kind: kind, drop: drop, answer: make(chan error, 1)}
	for orders := r.orders; ; orders = nil {
		select {
		case orders <- o:
			continue
		case err := <-o.answer:
			return err
		case <-r.stopped:
			return errStopped
		case <-ctx.Done():
		}
		if o.closed.CompareAndSwap(false, true) {
			return errors.New("the attempt that is under way takes too long; ask again")
		}
		return errors.New("there is no answer yet; it goes on")
	}
}

// enqueue has an order wait for an attempt, or for the rotation that is under way.
func (r *Registrar) enqueue(o *order) {
	if o.kind == orderRotate && len(r.rotations) > 0 {
		r.rotations = append(r.rotations, o)
	} else {
		r.waiting = append(r.waiting, o)
	}
}

// takeOrders takes the order that the next attempt carries out, if there is one, and
// all that ask for the same: they share the attempt.
func (r *Registrar) takeOrders() {
	for more := true; more; {
		select {
		case o := <-r.orders:
			r.enqueue(o)
		default:
			more = false
		}
	}
	r.order, r.orderers = nil, nil
	for len(r.waiting) > 0 && r.order == nil {
		first := r.waiting[0]
		r.waiting = slices.DeleteFunc(r.waiting, func(o *order) bool {
			same := o.kind == first.kind && o.drop == first.drop
			if same && o.closed.CompareAndSwap(false, true) {
				r.order, r.orderers = o, append(r.orderers, o)
			}
			return same
		})
	}
	if r.order.is(orderRotate) {
		r.rotations, r.orderers = r.orderers, nil
	}
}

// answerOrders answers those who wait for the attempt. A rotation goes on over
// further attempts until Telegram has the new secret, or something is in the way.
func (r *Registrar) answerOrders(err error, state State) {
	answered := r.orderers
	if err != nil || state != Registered || !r.Secrets.Status().Rotating {
		answered, r.rotations = append(answered, r.rotations...), nil
	}
	for _, o := range answered {
		o.answer <- err
	}
}
