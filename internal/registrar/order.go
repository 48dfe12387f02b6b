package registrar

import (
	"context"
	"errors"
	"slices"

	"github.com/caddy-telegram/telegramwebhook/internal/status"
)

// Order is an order of a person. It ends any wait of the registrar, and holds against
// other installations and configurations.
type Order struct {
	Kind OrderKind
	Drop bool // drop the pending updates
}

// OrderKind is the kind of an order.
type OrderKind int

// The kinds of orders. The zero value is none.
const (
	OrderCheck    OrderKind = iota + 1 // compare with Telegram, and repair
	OrderRegister                      // call setWebhook, whatever Telegram has
	OrderDelete                        // call deleteWebhook; no node registers until OrderRegister or a new configuration
	OrderRotate                        // renew the secret, or join the rotation under way
)

// placedOrder is an order whose caller waits for the answer.
type placedOrder struct {
	Order
	caller context.Context // an order whose caller has gone is not carried out
	answer chan error
}

// CarryOut places an order and returns its result. A rotation has ended when Telegram has the new secret.
func (r *Registrar) CarryOut(ctx context.Context, order Order) error {
	o := &placedOrder{order, ctx, make(chan error, 1)}
	for orders := r.orders; ; orders = nil {
		select {
		case orders <- o:
		case err := <-o.answer:
			return err
		case <-r.stopped:
			return errStopped
		case <-ctx.Done():
			return errors.New("no answer yet; an attempt that has begun goes on, see the status")
		}
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

// takeOrders takes the next order, and all equal ones: they share an attempt.
func (r *Registrar) takeOrders() {
	for more := true; more; {
		select {
		case o := <-r.orders:
			r.enqueue(o)
		default:
			more = false
		}
	}
	r.waiting = slices.DeleteFunc(r.waiting, func(o *placedOrder) bool { return o.caller.Err() != nil })
	r.order, r.orderers = Order{}, nil
	if len(r.waiting) > 0 {
		r.order = r.waiting[0].Order
		r.waiting = slices.DeleteFunc(r.waiting, func(o *placedOrder) bool {
			same := o.Order == r.order
			if same {
				r.orderers = append(r.orderers, o)
			}
			return same
		})
	}
	if r.order.Kind == OrderRotate {
		r.rotations, r.orderers = r.orderers, nil
	}
}

// answerOrders answers the orders of the attempt. A rotation takes further attempts until
// Telegram has the new secret or an attempt fails.
func (r *Registrar) answerOrders(err error, state string) {
	answered := r.orderers
	if err != nil || state != status.Registered || !r.Secrets.Status().Rotating {
		answered, r.rotations = append(answered, r.rotations...), nil
	}
	for _, o := range answered {
		o.answer <- err
	}
}
