package botapi

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"syscall"
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

// failure is the error of a call that the Bot API did not answer.
//
// It has no Unwrap: errors of net/http hold the token, and those of a transport may.
// The cause hides in a function, which no way of printing looks into.
type failure struct {
	text string
	is   func(target error) bool
}

func (f *failure) Error() string        { return f.text }
func (f *failure) Is(target error) bool { return f.is(target) }

// call is what the errors of one call name and what they hide.
type call struct {
	method string
	server string // scheme and host
	redact redactor
}

// fail makes an error. Text of a stranger among args must have passed redact.text.
func (c call) fail(cause error, format string, args ...any) error {
	return &failure{
		text: c.method + ": " + c.redact.value(fmt.Sprintf(format, args...)),
		is: func(target error) bool {
			return errors.Is(cause, target) || target == context.DeadlineExceeded && timedOut(cause)
		},
	}
}

// timedOut also recognizes time-outs of net and net/http that are no
// context.DeadlineExceeded.
func timedOut(err error) bool {
	late, ok := errors.AsType[net.Error](err)
	return errors.Is(err, context.DeadlineExceeded) || ok && late.Timeout()
}

// opProxy is net/http's name for connecting to a proxy.
const opProxy = "proxyconnect"

// interrupted says why no answer came, or why it did not end. The format, for the
// server and the cause, is for a cause that none of the cases explains.
func (c call) interrupted(ctx context.Context, err error, format string) error {
	if u, ok := errors.AsType[*url.Error](err); ok {
		err = u.Err
	}
	why := c.redact.text(err.Error())
	op, isOp := errors.AsType[*net.OpError](err)
	ended := ctx.Err() != nil
	if ended {
		err = errors.Join(err, ctx.Err()) // net/http may name only the cause of a cancellation
	}
	switch {
	case ended && errors.Is(err, context.Canceled):
		return c.fail(err, "the call was canceled")
	case !ended && isOp && op.Op == opProxy:
		return c.fail(err, "the proxy for %s cannot be used (%s); check HTTPS_PROXY, HTTP_PROXY and NO_PROXY", c.server, why)
	case timedOut(err):
		return c.fail(err, "%s did not answer in time; check the network, and whether a proxy is needed (HTTPS_PROXY)", c.server)
	case is[*net.DNSError](err):
		return c.fail(err, "the name in %s cannot be resolved (%s); check DNS and the api URL", c.server, why)
	case errors.Is(err, syscall.ECONNREFUSED):
		return c.fail(err, "%s refuses connections (%s); check that it runs, and the api URL", c.server, why)
	case is[*tls.CertificateVerificationError](err):
		return c.fail(err, "the certificate of %s is not trusted (%s); check this system's clock and CA certificates, and what intercepts TLS", c.server, why)
	case errors.Is(err, http.ErrSchemeMismatch):
		return c.fail(err, "%s does not speak TLS; a local Bot API server needs http:// in the api URL", c.server)
	case errors.Is(err, io.EOF):
		return c.fail(err, "%s closed the connection without an answer", c.server)
	case errors.Is(err, io.ErrUnexpectedEOF):
		return c.fail(err, "the answer of %s was cut off", c.server)
	}
	return c.fail(err, format, c.server, why)
}

func is[E error](err error) bool {
	_, ok := errors.AsType[E](err)
	return ok
}

// foreign is the error of an answer that does not come from a Bot API server. It does
// not quote the body, which may hold the request.
func (c call) foreign(status int, header http.Header) error {
	remedy := "check the api URL, and what answers in its place"
	if status >= 500 {
		remedy = "try again later"
	}
	kind, _, _ := strings.Cut(header.Get("Content-Type"), ";")
	return c.fail(nil, "%s answers with HTTP status %d, and the body is not an answer of the Bot API (its type is %s); %s",
		c.server, status, cmp.Or(c.redact.text(kind), "not given"), remedy)
}
