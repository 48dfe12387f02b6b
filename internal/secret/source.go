package secret

import (
	"context"
	"errors"
	"time"
)

// Source is where a webhook's secrets come from.
type Source interface {
	// Accepted returns what is accepted now; nil if that is not known yet.
	Accepted() *Set

	// Refresh is called when a request has brought a secret that Accepted does not
	// know, so for every forgery. It reports whether Accepted may know it now.
	Refresh(context.Context) bool

	// Configured returns the secret that is to be registered, if the
	// configuration holds it; else it is empty.
	Configured() string

	// Advance takes the next step of a renewal, if one is due, and returns the
	// secret that is to be registered, and when to call again; 0 for never. It is
	// called under the bot's lock, and so is Registered.
	Advance(context.Context) (value string, again time.Duration, err error)

	// Registered is told what came of registering a value: failure is nil if
	// Telegram has it. It may be told the same again. It reports whether that has
	// ended a rotation.
	Registered(ctx context.Context, value string, failure error) (rotated bool, err error)

	// Rotate asks for a new secret at the next Advance, whether one is due or not.
	Rotate() error

	// Status returns what may be told of the secrets.
	Status() Status
}

// Status is what may be told of a webhook's secrets: never their values.
type Status struct {
	Source string    // kept or configured
	Made   time.Time // when the current one was made; zero if that is not known
	Due    time.Time // when the next one is; zero for never
	Weak   bool      // it is short enough to be guessed
}

// Configured is secrets that are written in the configuration. The first is the
// one that is registered.
type Configured struct {
	first string
	set   *Set
}

// NewConfigured makes a source of values that Check has found good.
func NewConfigured(values ...string) *Configured {
	accepted := make([]Accepted, len(values))
	for i, v := range values {
		accepted[i] = Accepted{Value: v}
	}
	return &Configured{first: values[0], set: NewSet(accepted...)}
}

// Accepted satisfies Source.
func (c *Configured) Accepted() *Set { return c.set }

// Refresh satisfies Source: there is never anything else.
func (*Configured) Refresh(context.Context) bool { return false }

// Configured satisfies Source.
func (c *Configured) Configured() string { return c.first }

// Advance satisfies Source.
func (c *Configured) Advance(context.Context) (string, time.Duration, error) { return c.first, 0, nil }

// Registered satisfies Source.
func (*Configured) Registered(context.Context, string, error) (bool, error) { return false, nil }

// Rotate satisfies Source.
func (*Configured) Rotate() error {
	return errors.New("the secret is in the configuration: put a new one first there, keep the old one beside it for a while, and reload")
}

// Status satisfies Source.
func (c *Configured) Status() Status {
	return Status{Source: "configured", Weak: len(c.first) < StrongLen}
}

// Interface guards
var (
	_ Source = (*Configured)(nil)
	_ Source = (*Kept)(nil)
)
