package registrar

import (
	"errors"
	"time"

	"github.com/caddy-telegram/telegramwebhook/internal/botapi"
	"github.com/caddy-telegram/telegramwebhook/internal/secret"
)

var (
	errStopped = errors.New("the configuration was stopped or replaced; the call may have been carried out")

	// errNewer leaves the registration to the nodes that understand the record.
	errNewer = errors.New("in storage was written by a newer version of telegram_webhook, whose nodes keep the registration")
)

// configurationError is an error that only a change of the configuration resolves.
type configurationError struct{ error }

func (e configurationError) Unwrap() error { return e.error }

// Remedy returns the remedy for an error, and whether the error lasts until a person acts.
func Remedy(err error) (remedy string, lasting bool) {
	_, misconfigured := errors.AsType[configurationError](err)
	switch {
	case errors.Is(err, errStopped):
		return "look at the status, and repeat the command if needed", false
	case misconfigured:
		return "correct the configuration and reload", true
	case errors.Is(err, errNewer), errors.Is(err, secret.ErrNewer):
		return "update this node; after a downgrade of all nodes, delete the record from storage", false
	}
	return botapi.Remedy(err)
}

// retryAfter returns how long to wait after an error.
func (r *Registrar) retryAfter(err error) time.Duration {
	_, lasting := Remedy(err)
	return r.backoff.After(err, lasting)
}
