// Package deliver passes an update to the bot and the bot's answer back to Telegram. If the bot cannot answer, the
// package answers in its place, so that Telegram keeps every update in its queue until the bot has taken it.
//
//   - placeholder.go: the update, read ahead, and the placeholders {http.telegram_webhook.*}
//   - deliver.go: the outcome of a delivery
//   - rules.go: the settings, and the answer to a refused request
//   - writer.go: the bot's answer on its way to Telegram
//   - once.go: delivery of each update only once
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

// Kind classifies the outcome of a delivery.
type Kind int

const (
	Answered    Kind = iota // the bot answered, with any status
	Gone                    // the bot answered 410, sent as 503: Telegram removes a webhook that answers 410 for a day
	Unreachable             // the bot could not be reached, or sent no status in time
	Failed                  // another failure; Telegram's growing back-off, without Retry-After, is right for an update that crashes a bot
	Unhandled               // the route ended without an answer
	Broken                  // the answer was cut short, or a handler panicked: Telegram saw the connection close
	Abandoned               // the bot took longer than Telegram waits, and Telegram closed the connection
	Closed                  // the connection was closed earlier, as Telegram does when a webhook is registered
	InFlight                // the bot is still working on the update
	Repeated                // the bot has answered the update, and its answer has already been sent a second time
)

// Kinds holds the name of each Kind in logs.
var Kinds = []string{"answered", "gone", "unreachable", "failed", "no_handler", "broken", "abandoned", "closed", "in_flight", "repeated"}

// Outcome is the result of a delivery.
type Outcome struct {
	Kind   Kind
	Status int   // the status sent to Telegram; 0 if unknown
	Err    error // why the bot did not answer, or not in time; nil if it did
}

// Remedy returns advice about a bot that refuses genuine updates; empty if the bot did not refuse this one.
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

// clientClosed is the status that reverse_proxy gives a request whose client has disconnected.
const clientClosed = 499

// tooSlow is the duration from which a closed connection can only be Telegram's timeout, which is 60 seconds.
const tooSlow = 55 * time.Second

// Deliver passes r to next, only once unless once is nil, and ensures that w gets an answer by the rules. It answers
// the errors of next itself, so that none reaches Caddy's error log and error routes.
func (rules Rules) Deliver(w http.ResponseWriter, r *http.Request, next caddyhttp.Handler, once *Once) Outcome {
	start, client := time.Now(), r.Context() // a handler may replace the context of r
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

// setRetryAfter tells Telegram when to send the update again.
func (rules Rules) setRetryAfter(h http.Header) {
	if rules.RetryAfter != "" {
		h.Set("Retry-After", rules.RetryAfter)
	}
}

// classify returns the kind and status for an error of the next handlers. A nil error
// means no answer: Caddy would send an empty 200, and Telegram would forget the update.
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

// unreachable reports whether the bot did not receive the update, or sent no status for
// it in time. Telegram may send such an update again soon.
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
