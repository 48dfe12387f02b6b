package secret

import (
	"context"
	"crypto/hkdf"
	"crypto/sha256"
	"errors"
	"math/rand/v2"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"go.uber.org/zap"
)

// Derived is secrets that follow from the bot token, for nodes that share no
// storage: every node comes to the same one by itself. Time is cut into epochs;
// each has its own secret.
type Derived struct {
	DerivedConfig
	accepted atomic.Pointer[epochSet]

	mu          sync.Mutex
	confirmed   int64     // the epoch whose secret Telegram has, as far as this node knows
	confirmedAt time.Time // zero if it knows nothing
}

// DerivedConfig is what derived secrets need.
type DerivedConfig struct {
	Token   string
	Webhook string        // its name: another one gives other secrets
	Every   time.Duration // the length of an epoch; 0 for one that never ends
	Grace   time.Duration // how long an epoch's secret is accepted after it

	// Rotated is told what a rotation came to: ok or failed.
	Rotated func(result string)
	Logger  *zap.Logger
}

// NewDerived makes a source of derived secrets.
func NewDerived(config DerivedConfig) *Derived { return &Derived{DerivedConfig: config} }

// clockSkew is how far the clocks of two nodes may be apart: the next epoch's
// secret is accepted that long before it begins.
const clockSkew = 5 * time.Minute

// epochSet is what is accepted, and until when that holds.
type epochSet struct {
	*Set
	until time.Time // zero: for ever
}

// Accepted satisfies Source.
func (d *Derived) Accepted() *Set {
	if a := d.accepted.Load(); a != nil && (a.until.IsZero() || time.Now().Before(a.until)) {
		return a.Set
	}
	return d.renew()
}

// renew works out what is accepted: the epoch's secret, the one before until
// Telegram surely no longer sends it, and the next one shortly before it begins.
func (d *Derived) renew() *Set {
	d.mu.Lock()
	defer d.mu.Unlock()
	now := time.Now()
	epoch := d.epoch(now)
	accepted := []Accepted{{Value: d.secret(epoch), Role: Current}}
	a := new(epochSet)
	if d.Every > 0 {
		a.until = d.start(epoch + 1)
		if early := a.until.Add(-clockSkew); now.Before(early) {
			a.until = early
		} else {
			accepted = append(accepted, Accepted{Value: d.secret(epoch + 1), Role: Next})
		}
		if epoch > 0 {
			accepted = append(accepted, Accepted{Value: d.secret(epoch - 1), Role: Previous, Until: d.lastUse(epoch)})
		}
	}
	a.Set = NewSet(accepted...)
	d.accepted.Store(a)
	return a.Set
}

// lastUse is until when the secret of the epoch before is accepted: while
// Telegram has not been told another one, and for the grace period after that.
func (d *Derived) lastUse(epoch int64) time.Time {
	if d.confirmedAt.IsZero() || d.confirmed < epoch {
		return time.Time{}
	}
	last := d.start(epoch)
	if d.confirmedAt.After(last) {
		last = d.confirmedAt
	}
	return last.Add(d.Grace)
}

func (d *Derived) epoch(now time.Time) int64 {
	if d.Every <= 0 {
		return 0
	}
	return now.UnixNano() / int64(d.Every)
}

func (d *Derived) start(epoch int64) time.Time { return time.Unix(0, epoch*int64(d.Every)) }

// secret is the secret of an epoch.
func (d *Derived) secret(epoch int64) string {
	info := "telegram_webhook\x00" + d.Webhook + "\x00" + strconv.FormatInt(epoch, 10)
	key, err := hkdf.Key(sha256.New, []byte(d.Token), nil, info, sha256.Size)
	if err != nil {
		panic(err) // only for a length that no hash has
	}
	return encode(key)
}

// Refresh satisfies Source: there is never anything else.
func (*Derived) Refresh(context.Context) bool { return false }

// Configured satisfies Source.
func (*Derived) Configured() string { return "" }

// Advance satisfies Source.
func (d *Derived) Advance(context.Context) (string, time.Duration, error) {
	now := time.Now()
	epoch := d.epoch(now)
	if d.Every <= 0 {
		return d.secret(epoch), 0, nil
	}
	// Nodes that know nothing of each other must not all call at the same moment.
	return d.secret(epoch), d.start(epoch+1).Sub(now) + rand.N(spread), nil
}

// spread is over how long the nodes register a new epoch's secret.
const spread = 30 * time.Second

// Registered satisfies Source.
func (d *Derived) Registered(_ context.Context, value string, failure error) (rotated bool, err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	epoch := d.epoch(time.Now())
	if value != d.secret(epoch) {
		epoch-- // it began while the call was under way
	}
	first := d.confirmedAt.IsZero()
	switch {
	case !first && d.confirmed >= epoch:
		return false, nil
	case failure != nil:
		if !first {
			d.Rotated("failed")
		}
		return false, nil
	}
	d.confirmed, d.confirmedAt = epoch, time.Now()
	d.accepted.Store(nil)
	if !first {
		d.Rotated("ok")
		d.Logger.Info("secret rotated", zap.Time("old_accepted_until", d.lastUse(epoch)))
	}
	return !first, nil
}

// Rotate satisfies Source.
func (*Derived) Rotate() error {
	return errors.New("a derived secret changes with its epoch, the bot token and the webhook's name only; for another one now, set another name on all nodes")
}

// Status satisfies Source.
func (d *Derived) Status() Status {
	status := Status{Source: "derived"}
	if d.Every > 0 {
		epoch := d.epoch(time.Now())
		status.Made, status.Due = d.start(epoch), d.start(epoch+1)
	}
	return status
}
