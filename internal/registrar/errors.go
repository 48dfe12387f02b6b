package registrar

import (
	"errors"
	"math/rand/v2"
	"time"

	"github.com/caddy-telegram/telegramwebhook/internal/botapi"
	"github.com/caddy-telegram/telegramwebhook/internal/secret"
)

var (
	errStopped = errors.New("this configuration has ended, since Caddy stops or another one has taken its place; what had begun may have been carried out all the same")

	// errNewer is a record that is left to the nodes that understand it.
	errNewer = errors.New("in storage is from a newer version of telegram_webhook, to whose nodes the registration is left")
)

// configurationError is an error that only another configuration can resolve.
type configurationError struct{ error }

func (e configurationError) Unwrap() error { return e.error }

// Remedy returns what a person can do about an error, and whether nothing but that
// will resolve it.
func Remedy(err error) (remedy string, lasting bool) {
	refusal, refused := errors.AsType[*botapi.Error](err)
	_, misconfigured := errors.AsType[configurationError](err)
	switch {
	case errors.Is(err, errStopped):
		return "look at the status, and ask again if need be", false
	case misconfigured:
		return "correct the configuration and reload", true
	case errors.Is(err, errNewer), errors.Is(err, secret.ErrNewer):
		return "update this node; or, if all have gone back to this version, delete the record from storage", false
	case !refused || refusal.Code >= 500:
		return "none at first: it is tried again; if it goes on, see whether this machine reaches the Bot API and Caddy's storage", false
	case refusal.IsUnresolved():
		return "see whether the host of the webhook has an A record; it is tried again soon", false
	case refusal.Code == 401 || refusal.Code == 404:
		return "check bot_token: Telegram does not know it", true
	case refusal.Code == 429 || refusal.Code == 409:
		return "none: it is tried again", false
	}
	return "correct what Telegram complains about and reload; it is tried again rarely", true
}

// lastBackoff is how long attempts that fail are apart at most, unless the error lasts.
const lastBackoff = 5 * time.Minute

// retryAfter returns how long to wait after an error.
func (r *Registrar) retryAfter(err error) time.Duration {
	if refusal, ok := errors.AsType[*botapi.Error](err); ok && refusal.RetryAfter > 0 {
		return refusal.RetryAfter + jitter(time.Second)
	}
	if _, lasting := Remedy(err); lasting {
		return jitter(15 * time.Minute)
	}
	r.backoff = min(max(2*r.backoff, time.Second), lastBackoff)
	return jitter(r.backoff)
}

// jitter spreads what many nodes do at the same time over a fifth of it.
func jitter(d time.Duration) time.Duration {
	if d <= 0 {
		return 0
	}
	return d - d/10 + rand.N(d/5+1)
}
