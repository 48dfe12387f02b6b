package registrar

import (
	"errors"
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
	_, misconfigured := errors.AsType[configurationError](err)
	switch {
	case errors.Is(err, errStopped):
		return "look at the status, and ask again if need be", false
	case misconfigured:
		return "correct the configuration and reload", true
	case errors.Is(err, errNewer), errors.Is(err, secret.ErrNewer):
		return "update this node; or, if all have gone back to this version, delete the record from storage", false
	}
	return botapi.Remedy(err)
}

// retryAfter returns how long to wait after an error.
func (r *Registrar) retryAfter(err error) time.Duration {
	_, lasting := Remedy(err)
	return r.backoff.After(err, lasting)
}
