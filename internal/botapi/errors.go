package botapi

import (
	"errors"
	"fmt"
	"math/rand/v2"
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

// Remedy returns what a person can do about an error of a call, and whether nothing but that will resolve it.
func Remedy(err error) (remedy string, lasting bool) {
	refusal, refused := errors.AsType[*Error](err)
	switch {
	case !refused || refusal.Code >= 500:
		return "none at first: it is tried again; if it goes on, see whether this machine reaches the Bot API and Caddy's storage", false
	case strings.Contains(refusal.Description, "Failed to resolve host"): // comes as 400; a name may have been made a moment ago
		return "see whether the host of the webhook has an A record; it is tried again soon", false
	case refusal.Code == 401 || refusal.Code == 404:
		return "check bot_token: Telegram does not know it", true
	case refusal.Code == 429 || refusal.Code == 409:
		return "none: it is tried again", false
	}
	return "correct what Telegram complains about and reload; it is tried again rarely", true
}

// MaxBackoff is how long attempts that fail are apart at most, unless the error lasts.
const MaxBackoff = 5 * time.Minute

// Backoff is the pause between attempts that fail. The zero value is that after a success.
type Backoff time.Duration

// After returns how long to wait after an error.
func (b *Backoff) After(err error, lasting bool) time.Duration {
	if refusal, ok := errors.AsType[*Error](err); ok && refusal.RetryAfter > 0 {
		return refusal.RetryAfter + Jitter(time.Second)
	}
	if lasting {
		return Jitter(15 * time.Minute)
	}
	*b = min(max(2**b, Backoff(time.Second)), Backoff(MaxBackoff))
	return Jitter(time.Duration(*b))
}

// Jitter spreads what many nodes do at the same time over a fifth of it.
func Jitter(d time.Duration) time.Duration {
	return d - d/10 + rand.N(d/5+1)
}
