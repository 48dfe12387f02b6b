package registrar

import (
	"errors"
	"math/rand/v2"
	"time"

	"github.com/caddy-telegram/telegramwebhook/internal/botapi"
)

// rarely is how long to wait after an error that only a person can mend.
const rarely = 15 * time.Minute

// backoff tells how long to wait after an error.
type backoff struct{ next time.Duration }

const (
	firstBackoff = time.Second
	lastBackoff  = 5 * time.Minute
)

func (b *backoff) reset() { b.next = 0 }

func (b *backoff) after(err error) time.Duration {
	refusal, ok := errors.AsType[*botapi.Error](err)
	switch {
	case ok && refusal.RetryAfter > 0:
		return refusal.RetryAfter + jitter(time.Second)
	case ok && refusal.Code < 500 && refusal.Code != 409 && refusal.Code != 429,
		errors.Is(err, errConfiguration):
		return jitter(rarely)
	}
	b.next = min(max(2*b.next, firstBackoff), lastBackoff)
	return jitter(b.next)
}

// jitter spreads what many nodes do at the same time over a fifth of it.
func jitter(d time.Duration) time.Duration {
	if d <= 0 {
		return 0
	}
	return d - d/10 + rand.N(d/5+1)
}
