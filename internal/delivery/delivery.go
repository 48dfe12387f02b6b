// Package delivery says how Telegram takes a webhook's answer to an update.
package delivery

import (
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/caddy-telegram/telegramwebhook/internal/wire"
)

// Outcome is what becomes of the update.
type Outcome int

const (
	Delivered Outcome = iota // it is not sent again
	Retried                  // it is sent again until it expires
	Removing                 // the same, and in the end Telegram removes the webhook
)

// schedule is when Telegram tries again if nobody asks for a pause.
const schedule = "at once, then after 2, 4, 8, 16 and 32 seconds, then every one to two minutes, until it expires"

// Of says what becomes of the update, and the same in a sentence for people.
// What the sentence repeats of the answer is what a stranger wrote.
func Of(a *wire.Answer) (Outcome, string) {
	if a.Delivered() {
		return Delivered, "delivered" + aside(a)
	}
	text := fmt.Sprintf("not delivered: %s. Telegram sends the update again %s.", cause(a), when(a))
	if a.Err == nil && a.Status == http.StatusGone {
		return Removing, text + " After 23 hours of nothing but 410 it removes the webhook."
	}
	return Retried, text
}

// aside is what else happens on a delivery.
func aside(a *wire.Answer) string {
	switch {
	case a.Call != nil && a.Call.Runs():
		return fmt.Sprintf(", and Telegram runs the %s in the answer.", a.Call.Method)
	case a.Call != nil:
		return fmt.Sprintf(". Telegram does not run %s from an answer; call it in a request of its own.", a.Call.Method)
	case a.Unread():
		return ". Telegram does not look for a body, since there is neither a Content-Length nor chunked encoding."
	}
	return "."
}

// cause is why the answer is not taken as a delivery.
func cause(a *wire.Answer) string {
	switch {
	case errors.Is(a.Err, wire.ErrClosed):
		return "the connection was closed without a whole answer, of which Telegram notes nothing"
	case errors.Is(a.Err, wire.ErrReadTimeout):
		return fmt.Sprintf("there was no whole answer within %d seconds", int(wire.Timeout.Seconds()))
	case errors.Is(a.Err, wire.ErrWriteTimeout):
		return fmt.Sprintf("the request was not taken within %d seconds", int(wire.Timeout.Seconds()))
	case errors.Is(a.Err, wire.ErrEncoding):
		return fmt.Sprintf("Telegram does not read the Content-Encoding %s, only gzip and deflate", a.Header.Get("Content-Encoding"))
	case errors.Is(a.Err, wire.ErrTooLong):
		return "an answer of JSON or of a form may have 1 MiB, and this one is longer"
	case a.Err != nil:
		return fmt.Sprintf("Telegram cannot read the answer (%q)", a.Failure())
	case a.Status < 200:
		return fmt.Sprintf("Telegram takes the %d as the final answer, and what follows as the answer to its next request", a.Status)
	case a.Status < 300:
		return ""
	case a.Status < 400:
		return fmt.Sprintf("Telegram does not follow the redirect (%d)", a.Status)
	}
	return fmt.Sprintf("%d is not from 200 to 299", a.Status)
}

// when is the pause before the next try.
func when(a *wire.Answer) string {
	if wait := a.RetryAfter(); wait > 0 {
		return fmt.Sprintf("in %d seconds, as Retry-After says, until it expires", int(wait/time.Second))
	}
	if a.Err == nil && a.Header.Get("Retry-After") != "" && a.Header.Get("Retry-After") != "0" {
		return schedule + " (the Retry-After is not in whole seconds, so it does not count)"
	}
	return schedule
}
