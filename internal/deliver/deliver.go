// Package deliver hands an update on to the bot and the bot's answer back to
// Telegram. It answers in the bot's place when the bot cannot, in a way that keeps
// every update in Telegram's queue until the bot has taken it.
//
//   - deliver.go: what becomes of a delivery
//   - rules.go: what can be set
//   - writer.go: the answer on its way back
//   - once.go, table.go, reply.go: each update to the bot once
package deliver

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp/reverseproxy"
)

// Kind says what became of a delivery.
type Kind int

const (
	// Answered is the bot's own answer, whatever its status.
	Answered Kind = iota
	// Gone is the bot's 410, sent as 503: Telegram removes a webhook that
	// answers 410 for a day.
	Gone
	// Unreachable is a bot that was not there, or had no status in time.
	Unreachable
	// Failed is any other failure after the bot was reached, or a failure of
	// another handler. It has no Retry-After: the growing back-off is right for
	// an update that crashes a bot.
	Failed
	// Unhandled is a route that ends without an answer. Caddy's 200 would make
	// Telegram forget the update.
	Unhandled
	// TooLarge is a body of unannounced length that turned out too long.
	TooLarge
	// Broken is an answer that broke off, or a handler that panicked: Telegram
	// saw the connection close.
	Broken
	// Abandoned is an answer that came too late: Telegram had closed the
	// connection, which it does after 60 seconds.
	Abandoned
)

// Kinds names the kinds, for logs.
var Kinds = []string{"answered", "gone", "unreachable", "failed", "no_handler", "too_large", "broken", "abandoned"}

// Outcome is what became of a delivery.
type Outcome struct {
	Kind   Kind
	Status int   // what Telegram was told; 0 if that is not known
	Err    error // why there is no answer of the bot's; nil if there is one
}

var (
	errUnhandled = errors.New("nothing behind telegram_webhook has answered the request; is there a reverse_proxy?")
	errAbandoned = errors.New("the connection was closed before the bot had answered; Telegram waits for 60 seconds")
)

// clientClosed is the status that reverse_proxy gives a request whose client has
// gone.
const clientClosed = 499

// Deliver hands r on to next and sees to it that w gets an answer by the rules.
// The errors of next are answered here, so that none reaches Caddy's error log
// and error routes.
func (rules Rules) Deliver(w http.ResponseWriter, r *http.Request, next caddyhttp.Handler) Outcome {
	start, client := time.Now(), r.Context() // a handler may give r another one
	body := limit(r, rules.MaxBody)
	aw := newWriter(w, rules.HSTS)
	err := next.ServeHTTP(aw, r)
	if err == nil && !aw.wroteHeader {
		// Caddy would send an empty 200, and Telegram would forget the update.
		err = errUnhandled
	}
	if err == nil {
		if aw.status == clientClosed && client.Err() != nil {
			return Outcome{Kind: Abandoned, Status: clientClosed, Err: errAbandoned}
		}
		if limit := rules.WriteTimeout; limit > 0 && time.Since(start) >= limit {
			return Outcome{Kind: Broken, Err: fmt.Errorf("the server's write timeout of %s ended before the bot had answered", limit)}
		}
		return Outcome{Kind: aw.kind(), Status: aw.status}
	}

	kind, status := classify(err)
	if body != nil && body.exceeded.Load() {
		kind, status = TooLarge, http.StatusRequestEntityTooLarge
	}
	if !aw.wroteHeader {
		w.Header().Del("Content-Length")
		if kind == Unreachable || kind == Unhandled {
			rules.SetRetryAfter(w.Header())
		}
		aw.WriteHeader(status)
	}
	return Outcome{Kind: kind, Status: aw.status, Err: err}
}

// SetRetryAfter tells Telegram when to come again.
func (rules Rules) SetRetryAfter(h http.Header) {
	if rules.RetryAfter != "" {
		h.Set("Retry-After", rules.RetryAfter)
	}
}

// classify says what an error of the handlers after ours means for Telegram.
func classify(err error) (Kind, int) {
	if errors.Is(err, errUnhandled) {
		return Unhandled, http.StatusServiceUnavailable
	}
	if unreachable(err) {
		return Unreachable, http.StatusServiceUnavailable
	}
	status := http.StatusInternalServerError
	if he, ok := errors.AsType[caddyhttp.HandlerError](err); ok && he.StatusCode >= 400 {
		status = he.StatusCode
	}
	return Failed, status
}

// unreachable reports whether the bot has not seen the update, or gave no
// status for it in time: it may be sent again soon.
func unreachable(err error) bool {
	if _, ok := errors.AsType[reverseproxy.DialError](err); ok {
		return true
	}
	if ne, ok := errors.AsType[net.Error](err); ok && ne.Timeout() {
		return true
	}
	he, ok := errors.AsType[caddyhttp.HandlerError](err)
	return ok && (he.StatusCode == http.StatusServiceUnavailable || he.StatusCode == http.StatusGatewayTimeout)
}
