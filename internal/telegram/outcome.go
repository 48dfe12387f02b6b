package telegram

import (
	"errors"
	"fmt"
	"net/http"
)

// schedule describes Telegram's retries without a Retry-After.
const schedule = "at once, then after 2, 4, 8, 16, 32 and 64 seconds, then every one to two minutes, until it expires"

// Outcome describes the outcome for the update, in a sentence for people. It may repeat parts of the answer, unescaped.
func (a *Answer) Outcome() string {
	if a.Delivered() {
		return "delivered" + a.Effect() + "."
	}
	text := fmt.Sprintf("not delivered: %s. Telegram sends the update again %s.", a.cause(), a.nextTry())
	if a.Err == nil && a.Status == http.StatusGone {
		text += fmt.Sprintf(" After %.0f hours of nothing but 410 it removes the webhook.", GoneAfter.Hours())
	}
	return text
}

// Effect goes on in a sentence about a delivery with what Telegram does with a method
// in the answer; empty if there is none. It may repeat parts of the answer, unescaped.
func (a *Answer) Effect() string {
	switch overlooked := overlookedMethod(a.Body); {
	case Runs(a.Method):
		return fmt.Sprintf(", and Telegram runs the %s in the answer", a.Method)
	case a.Method != "":
		return fmt.Sprintf(". Telegram does not run %s from an answer; call it in a request of its own", a.Method)
	case a.last("Content-Length") == "" && a.last("Transfer-Encoding") == "" && a.last("Content-Type") != "":
		return ". Telegram does not look for a body, since there is neither a Content-Length nor chunked encoding"
	case overlooked != "":
		return fmt.Sprintf(". Telegram does not run the %s in the answer: it must be in one object, with Content-Type: %s", overlooked, jsonType)
	}
	return ""
}

// LastError returns the failure in the words of getWebhookInfo, "" if that does not show it.
func (a *Answer) LastError() string {
	switch {
	case errors.Is(a.Err, ErrClosed):
		return ""
	case a.Err != nil:
		return a.Err.Error()
	}
	return fmt.Sprintf("Wrong response from the webhook: %d %s", a.Status, a.Reason)
}

// cause returns the reason why the answer does not confirm the update.
func (a *Answer) cause() string {
	switch {
	case errors.Is(a.Err, ErrClosed):
		return "the connection was closed without a whole answer, of which Telegram notes nothing"
	case errors.Is(a.Err, ErrReadTimeout):
		return fmt.Sprintf("there was no whole answer within %.0f seconds", Timeout.Seconds())
	case errors.Is(a.Err, errEncoding):
		return fmt.Sprintf("Telegram does not read the Content-Encoding %s, only gzip and deflate", a.last("Content-Encoding"))
	case errors.Is(a.Err, errTooLong):
		return "an answer of JSON or of a form may have 1 MiB, one with files 50 MiB more, and this one is longer"
	case a.Err != nil:
		return fmt.Sprintf("Telegram cannot read the answer (%q)", a.Err)
	case a.Status < 200:
		return fmt.Sprintf("Telegram takes the %d as the final answer, and what follows as the answer to its next request", a.Status)
	case 300 <= a.Status && a.Status < 400:
		return fmt.Sprintf("Telegram does not follow the redirect (%d)", a.Status)
	}
	return fmt.Sprintf("%d is not from 200 to 299", a.Status)
}

func (a *Answer) nextTry() string {
	if wait := a.RetryAfter(); wait > 0 {
		return fmt.Sprintf("in %.0f seconds, as Retry-After says, until it expires", wait.Seconds())
	}
	if value := a.Header.Get("Retry-After"); a.Err == nil && value != "" && value != "0" {
		return schedule + " (the Retry-After is not in whole seconds, so it does not count)"
	}
	return schedule
}
