package botapi

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"strings"
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

// IsUnresolved reports whether Telegram could not resolve the webhook's host. That comes
// as 400 and is often over soon: a name may have been made a moment ago.
func (e *Error) IsUnresolved() bool {
	return strings.Contains(e.Description, "Failed to resolve host")
}

// call is what the errors of one call name and what they hide.
type call struct {
	method string
	server string // scheme and host
	redact redactor
}

// fail returns the error of a call that the Bot API did not answer. It wraps nothing:
// errors of net/http hold the token, and those of a transport may.
func (c call) fail(format string, args ...any) error {
	return errors.New(c.method + ": " + c.redact.value(fmt.Sprintf(format, args...)))
}

// unanswered returns the error of a call to which no answer came, or not all of it.
func (c call) unanswered(err error) error {
	if u, ok := errors.AsType[*url.Error](err); ok {
		err = u.Err
	}
	why := c.redact.text(err.Error())
	if late, ok := errors.AsType[net.Error](err); ok && late.Timeout() {
		why = "time-out" // for which net/http has many words, and the same error is logged once
	}
	return c.fail("no answer from %s: %s; check the network, DNS, the proxy (HTTPS_PROXY) and the api URL", c.server, why)
}
