package registrar

import (
	"context"
	"errors"
	"slices"
	"sync/atomic"
)

// Order is what a person asks for. It is carried out at once, whatever the
// registrar waits for, and whoever else has registered the bot.
type Order struct {
	Kind OrderKind
	Drop bool // throw away the updates that wait
}

// OrderKind is what an order asks for.
type OrderKind int

// The kinds of orders. The zero value is none.
const (
	OrderCheck    OrderKind = iota + 1 // see whether there is something to do
	OrderRegister                      // call setWebhook, whatever Telegram has
	OrderDelete                        // call deleteWebhook, and register nothing on any node until a person asks for it or the configuration changes
	OrderRotate                        // renew the secret, or wait for the rotation that is under way
)

// placedOrder is an order that somebody waits for.
type placedOrder struct {
	Order
	closed atomic.Bool // carried out or withdrawn, whichever came first
	answer chan error
}

// CarryOut places an order, and returns what came of it: that of a rotation when
// Telegram has the new secret.
func (r *Registrar) CarryOut(ctx context.Context, order Order) error {
	o := &placedOrder{Order: order, answer: make(chan error, 1)}
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
func (r *Registrar) enqueue(o *placedOrder) {
	if o.Kind == OrderRotate && len(r.rotations) > 0 {
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
	r.order, r.orderers = Order{}, nil
	for len(r.waiting) > 0 && len(r.orderers) == 0 {
		first := r.waiting[0]
		r.waiting = slices.DeleteFunc(r.waiting, func(o *placedOrder) bool {
			same := o.Order == first.Order
			if same && o.closed.CompareAndSwap(false, true) {
				r.order, r.orderers = o.Order, append(r.orderers, o)
			}
			return same
		})
	}
	if r.order.Kind == OrderRotate {
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
