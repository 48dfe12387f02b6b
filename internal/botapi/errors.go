package botapi

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"time"
)

// Error is the Bot API's refusal.
type Error struct {
	Method      string
	Code        int           // the answer's error_code, or else the HTTP status
	Description string        // without the token, on one line
	RetryAfter  time.Duration // at most an hour; 0 if the answer does not say
}

func (e *Error) Error() string {
	return fmt.Sprintf("%s: refused with %d: %s", e.Method, e.Code, e.Description)
}

// explain returns the error of a call without secrets. It wraps nothing: errors of
// net/http hold the token, and those of a transport may.
func (c *Client) explain(call call, err error) error {
	if err == nil {
		return nil
	}
	redact := newRedactor(c.account, call.secret)
	server := c.account.server.Scheme + "://" + c.account.server.Host
	text := ""
	if answer, ok := errors.AsType[*Error](err); ok && answer.Description != "" {
		answer.Method, answer.Description = call.method, redact.text(answer.Description)
		return answer
	} else if ok {
		text = fmt.Sprintf("%s answers with HTTP status %d, but not as the Bot API does; check the api URL, and what answers in its place", server, answer.Code)
	} else {
		text = fmt.Sprintf("no answer from %s: %s; check the network, DNS, the proxy (HTTPS_PROXY) and the api URL", server, redact.text(reason(err)))
	}
	return errors.New(redact.value(call.method + ": " + text))
}

// reason returns why no answer came, or not all of it.
func reason(err error) string {
	if late, ok := errors.AsType[net.Error](err); ok && late.Timeout() {
		return "time-out" // for which net/http has many words, and the same error is logged once
	}
	if u, ok := errors.AsType[*url.Error](err); ok {
		return u.Err.Error()
	}
	return err.Error()
}
