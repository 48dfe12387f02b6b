package secret

import (
	"cmp"
	"errors"
	"fmt"
	"time"
)

// The defaults of a rotation.
const (
	DefaultRotate = 30 * 24 * time.Hour
	DefaultGrace  = 10 * time.Minute
)

// minRotate is the shortest time between two rotations. A rotation takes settleTime
// and a call of setWebhook, of which Telegram allows one a second.
const minRotate = 5 * time.Second

// Rotation returns how long a secret is registered, 0 for ever, and how long it
// is accepted after that, as configured: 0 is the default, and what is negative
// is off.
func Rotation(rotate, grace time.Duration) (every, after time.Duration, err error) {
	every, after = max(0, cmp.Or(rotate, DefaultRotate)), max(0, cmp.Or(grace, DefaultGrace))
	if every == 0 {
		return every, after, nil
	}
	if every < minRotate {
		return 0, 0, fmt.Errorf("%s is less than %s", every, minRotate)
	}
	if after > every {
		if grace != 0 {
			return 0, 0, fmt.Errorf("the grace period of %s is longer than the %s after which the secret changes", after, every)
		}
		after = every
	}
	return every, after, nil
}

// ErrMissing is a webhook without a secret. It is said by the Caddyfile adapter and by Provision.
var ErrMissing = errors.New("is missing, and so is bot_token; without one every forged update would pass. " +
	"With bot_token a secret is made, kept and registered; or make one with: caddy telegram-webhook secret")
