// Package deliver hands an update on to the bot and the bot's answer back to
// Telegram. It answers in the bot's place when the bot cannot, in a way that keeps
// every update in Telegram's queue until the bot has taken it.
//
//   - deliver.go: what becomes of a delivery
//   - rules.go: what can be set
//   - writer.go: the answer on its way back
//   - refuse.go: the answer to a request that does not pass
//   - once.go, table.go: each update to the bot once
package deliver

import (
	"cmp"
	"context"
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
	Answered    Kind = iota // the bot has answered, whatever its status
	Gone                    // its status was 410, sent as 503: Telegram removes a webhook that answers 410 for a day
	Unreachable             // the bot was not there, or had no status in time
	Failed                  // another failure; the growing back-off without Retry-After is right for an update that crashes a bot
	Unhandled               // the route ended without an answer
	Broken                  // the answer broke off, or a handler panicked: Telegram saw the connection close
	Abandoned               // the bot took longer than Telegram waits, and Telegram has closed the connection
	Closed                  // the connection was closed earlier, as Telegram does when a webhook is registered
	InFlight                // the bot works on the update already
	Repeated                // the bot has answered the update, and the answer was given again
)

// Kinds names the kinds, for logs.
var Kinds = []string{"answered", "gone", "unreachable", "failed", "no_handler", "broken", "abandoned", "closed", "in_flight", "repeated"}

// Outcome is what became of a delivery.
type Outcome struct {
	Kind   Kind
	Status int   // what Telegram was told; 0 if that is not known
	Err    error // why the bot has not answered, or not in time; nil if it has
}

// Remedy returns what a person can do about a bot that refuses genuine updates; empty
// if it has not refused this one.
func (o Outcome) Remedy() string {
	switch {
	case o.Kind != Answered:
	case o.Status == http.StatusUnauthorized || o.Status == http.StatusForbidden:
		return "turn off the bot's own check of the secret, or hand it the secret with forward_secret"
	case o.Status == http.StatusNotFound || o.Status == http.StatusMethodNotAllowed:
		return "compare the webhook's path with the one that the bot serves, the trailing slash included"
	case o.Status/100 == 3:
		return "have the bot answer at the webhook's path itself, the trailing slash included: Telegram follows no redirect"
	}
	return ""
}

var errUnhandled = errors.New("nothing behind telegram_webhook has answered the request; is there a reverse_proxy?")

// clientClosed is the status that reverse_proxy gives a request whose client has
// gone.
const clientClosed = 499

// tooSlow is the time after which Telegram, which waits for 60 seconds, closes a
// connection for want of an answer and for no other reason.
const tooSlow = 55 * time.Second

// Deliver hands r on to next, once unless once is nil, and sees to it that w gets an
// answer by the rules. The errors of next are answered here, so that none reaches
// Caddy's error log and error routes.
func (rules Rules) Deliver(w http.ResponseWriter, r *http.Request, next caddyhttp.Handler, once *Once) Outcome {
	start, client := time.Now(), r.Context() // a handler may give r another one
	aw := &writer{ResponseWriter: w, hsts: rules.HSTS}
	err := once.deliver(aw, r, next)
	aw.dropTrailers()
	if client.Err() != nil && (errors.Is(err, context.Canceled) || err == nil && aw.status == clientClosed) {
		aw.WriteHeader(clientClosed)
		kind, took := Closed, time.Since(start).Round(time.Millisecond)
		if took >= tooSlow {
			kind = Abandoned
		}
		return Outcome{kind, clientClosed, fmt.Errorf("connection closed before the bot had answered; the request took %s: %w", took, cmp.Or(err, context.Canceled))}
	}
	if err == nil && aw.wroteHeader {
		return Outcome{Kind: aw.kind, Status: aw.status}
	}
	kind, status := classify(err)
	if !aw.wroteHeader {
		w.Header().Del("Content-Length")
		if kind == Unreachable || kind == Unhandled || kind == InFlight {
			rules.setRetryAfter(w.Header())
		}
		aw.WriteHeader(status)
	}
	return Outcome{Kind: kind, Status: aw.status, Err: cmp.Or(err, errUnhandled)}
}

// setRetryAfter tells Telegram when to come again.
func (rules Rules) setRetryAfter(h http.Header) {
	if rules.RetryAfter != "" {
		h.Set("Retry-After", rules.RetryAfter)
	}
}

// classify says what an error of the handlers after ours means for Telegram. No error
// is no answer: Caddy would send an empty 200, and Telegram would forget the update.
func classify(err error) (Kind, int) {
	switch {
	case err == nil:
		return Unhandled, http.StatusServiceUnavailable
	case errors.Is(err, errRepeated):
		return Repeated, http.StatusOK
	case errors.Is(err, errInFlight):
		return InFlight, http.StatusServiceUnavailable
	case unreachable(err):
		return Unreachable, http.StatusServiceUnavailable
	}
	if he, ok := errors.AsType[caddyhttp.HandlerError](err); ok && he.StatusCode >= 400 {
		return Failed, he.StatusCode
	}
	return Failed, http.StatusInternalServerError
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
