package deliver

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

var (
	errBroken  = errors.New("the delivery that this one has waited for broke off")
	errTooLong = fmt.Errorf("the bot has not answered within %s after the connection was closed", patience)
	errTooMany = fmt.Errorf("the connection was closed before the bot had answered, and it works on %d such updates already", maxAbandoned)
	errClosing = errors.New("the connection was closed before the bot had answered, and Caddy is shutting down")
)

// Deliver hands the update of that id to next, unless the bot has taken it or
// works on it: then r gets the same answer. So many updates are remembered.
//
// The delivery does not end when r's client hangs up, as Telegram does after 60
// seconds: the bot has the update and goes on with it, and Telegram comes again
// for the answer. r has another context afterwards.
func (t *Table) Deliver(w http.ResponseWriter, r *http.Request, next caddyhttp.Handler, id int64, count int) error {
	known, f, first := t.begin(id)
	switch {
	case known != nil:
		return known.give(w)
	case first:
		return t.deliver(w, r, next, f, count)
	}
	select {
	case <-f.done:
		return f.reply.give(w)
	case <-r.Context().Done():
		w.WriteHeader(clientClosed)
		return nil
	}
}

// deliver hands the update to next, for all who wait for the flight.
func (t *Table) deliver(w http.ResponseWriter, r *http.Request, next caddyhttp.Handler, f *flight, count int) error {
	client := r.Context()
	rec := &recorder{w: w}
	err := t.fly(client, rec, r, next, f, count)
	if err == nil && client.Err() != nil {
		w.WriteHeader(clientClosed)
		return nil
	}
	rec.handOn()
	return err
}

// fly is the flight. It ends even if next panics.
func (t *Table) fly(client context.Context, rec *recorder, r *http.Request, next caddyhttp.Handler, f *flight, count int) error {
	ctx, cancel := context.WithCancelCause(context.WithoutCancel(client))
	defer cancel(nil)
	f.cancel = cancel
	result := brokenReply // unless next returns
	defer func() { t.end(f, result, count) }()
	defer context.AfterFunc(client, func() { t.abandon(f) })()

	// It stays the same request, since Caddy's placeholders hold on to it. Its
	// context is not put back: a transport may still read the request.
	*r = *r.WithContext(ctx)
	err := next.ServeHTTP(rec, r)
	if cause := context.Cause(ctx); cause != nil && !rec.reply.taken() {
		err = caddyhttp.HandlerError{StatusCode: http.StatusServiceUnavailable, Err: cause}
		rec.reply = reply{}
	}
	rec.reply.err = err
	result = &rec.reply
	return err
}
