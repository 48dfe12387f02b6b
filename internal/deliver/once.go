package deliver

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

// patience is how long the bot may work on after Telegram has closed the connection.
const patience = 10 * time.Minute

var (
	errInFlight = errors.New("the bot still works on this update, which Telegram has sent before")
	errRepeated = errors.New("the bot has answered this update and the answer was sent twice; perhaps Telegram cannot read it")

	errTooLong = fmt.Errorf("the bot has not answered within %s after that: %w", patience, context.Canceled)
	errClosing = fmt.Errorf("shutdown of Caddy: %w", context.Canceled)
)

// Once describes an update that the bot must receive only once.
type Once struct {
	Table *Table
	ID    int64
	Count int // the number of updates to remember
}

// deliver passes the update to next, unless the bot has answered it with 2xx or is still working on it.
//
// The bot keeps working when Telegram closes the connection. Telegram sends the update
// again, has to wait while the bot works, and then gets the answer. r gets a new context.
func (o *Once) deliver(w *writer, r *http.Request, next caddyhttp.Handler) error {
	if o == nil {
		return next.ServeHTTP(w, r)
	}
	known, err := o.Table.begin(o.ID)
	if err != nil {
		return err
	}
	if known != nil {
		known.writeTo(w)
		return nil
	}
	w.client, w.answer = r.Context(), new(answer)
	taken := false // stays false if next panics
	defer func() { o.Table.end(o, w.answer, taken) }()

	ctx, cancel := context.WithCancelCause(context.WithoutCancel(w.client))
	defer cancel(nil)
	defer context.AfterFunc(w.client, func() { o.Table.abandon(ctx, cancel) })()

	// Caddy's placeholders refer to this request, so it is changed in place. Its old
	// context is not restored: a transport may still read the request.
	*r = *r.WithContext(ctx)
	err = next.ServeHTTP(w, r)
	taken = err == nil && w.answer.taken()
	if cause := context.Cause(ctx); cause != nil && !taken {
		err = cause
	}
	return err
}

// answer is the part of a bot's answer that Telegram reads.
type answer struct {
	status                       int
	contentType, contentEncoding string
	body                         []byte
}

// maxAnswer is the longest body that is kept. A message has at most 4,096 characters,
// which take 48 KiB if each is escaped.
const maxAnswer = 64 << 10

// taken reports whether Telegram considers the update delivered.
func (a *answer) taken() bool { return 200 <= a.status && a.status <= 299 }

// add appends to the body, or drops the body if it gets too long. It also drops a body
// without a content type: Telegram does not read one.
func (a *answer) add(b []byte) {
	if a.contentType == "" || len(a.body)+len(b) > maxAnswer {
		a.contentType, a.body = "", nil
		return
	}
	a.body = append(a.body, b...)
}

// writeTo sends the answer to w.
func (a *answer) writeTo(w http.ResponseWriter) {
	if a.contentType != "" {
		w.Header().Set("Content-Type", a.contentType)
		if a.contentEncoding != "" {
			w.Header().Set("Content-Encoding", a.contentEncoding)
		}
	}
	w.WriteHeader(http.StatusOK)
	_, _ = w.Write(a.body)
}
