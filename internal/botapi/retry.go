package botapi

import (
	"errors"
	"math/rand/v2"
	"strings"
	"time"
)

// Remedy returns what a person can do about an error of a call, and whether nothing but
// that will resolve it.
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
