package secret

import (
	"context"
	"errors"
	"slices"
	"time"

	"go.uber.org/zap"
)

// A rotation is a sequence of steps. Each ends with a record in storage, and can
// be taken again after a crash:
//
//  1. The next secret is stored. From now on every node accepts it: one that
//     does not know it yet reads storage when it first sees it.
//  2. It is registered with Telegram, settleTime later.
//  3. It becomes the current one. The one before is accepted for the grace
//     period, for requests that were under way.
//
// Until step 3 the old one stays accepted, whatever fails.

// settleTime is between storing the next secret and registering it. It is longer
// than readInterval, so that no node that has just read storage, for the sake of
// a forgery, refuses the first request with the new secret.
const settleTime = 2 * time.Second

// maxPrevious bounds how many old secrets are accepted, when one rotation
// follows another. Telegram uses only the latest.
const maxPrevious = 8

// Advance satisfies Source: it makes the first secret, begins a rotation that is
// due or asked for, and forgets what is no longer accepted. If storage does not
// take that, things stay as they are in memory, and the error is returned besides.
func (k *Kept) Advance(ctx context.Context, rotate bool) (string, time.Duration, error) {
	rec, stored, err := k.latest(ctx)
	if err != nil {
		return "", 0, err
	}
	now := time.Now()
	if err := k.advance(ctx, rec, stored, rotate, now); err != nil {
		known := k.Memory.known.Load()
		if known == nil {
			return "", 0, err
		}
		value, _ := k.plan(&known.record, now)
		return value, 0, err
	}
	value, again := k.plan(rec, now)
	return value, again, nil
}

// advance brings the record up to date, and stores it if that has changed it, or
// if storage does not have it.
func (k *Kept) advance(ctx context.Context, rec *record, stored, rotate bool, now time.Time) error {
	changed := !stored
	if rec.Current.Value == "" {
		rec.Current, changed = kept{Value: New(), Made: now}, true
	} else if rec.Next == nil && (rotate || k.due(rec, now)) {
		rec.Next, changed = &kept{Value: New(), Made: now}, true
		k.Logger.Info("secret rotation begun")
	}
	inForce := slices.DeleteFunc(slices.Clone(rec.Previous), func(p kept) bool { return !now.Before(p.Until) })
	if len(inForce) < len(rec.Previous) {
		rec.Previous, changed = inForce, true
	}
	if !changed {
		return nil
	}
	return k.save(ctx, rec)
}

// latest returns the latest record, of storage or, if that has none or an older
// one, of memory, and whether storage has it: a storage that was lost or put
// back does not lose what is in force. A record that is damaged is set aside.
func (k *Kept) latest(ctx context.Context) (rec *record, stored bool, err error) {
	rec, err = k.store.load(ctx)
	if errors.Is(err, errDamaged) {
		rec, err = nil, k.setAside(ctx)
	}
	if err != nil {
		return nil, false, err
	}
	if rec != nil {
		k.Memory.learn(rec)
	}
	known := k.Memory.known.Load()
	if known == nil {
		return new(record), false, nil
	}
	stored = rec != nil && rec.Revision == known.Revision && !rec.limited
	latest := known.record
	return &latest, stored, nil
}

// due reports whether the current secret has been registered for long enough.
func (k *Kept) due(rec *record, now time.Time) bool {
	return k.Every > 0 && now.Sub(rec.Current.Made) >= k.Every
}

// plan returns what is to be registered, and when there is something to do again.
func (k *Kept) plan(rec *record, now time.Time) (value string, again time.Duration) {
	value = rec.Current.Value
	next := func(at time.Time) {
		if wait := max(at.Sub(now), time.Millisecond); again == 0 || wait < again {
			again = wait
		}
	}
	switch {
	case rec.Next != nil && now.Before(rec.Next.Made.Add(settleTime)):
		next(rec.Next.Made.Add(settleTime))
	case rec.Next != nil:
		value = rec.Next.Value
	case k.Every > 0:
		next(rec.Current.Made.Add(k.Every))
	}
	for _, p := range rec.Previous {
		next(p.Until)
	}
	return value, again
}

// Registered satisfies Source: the last step of a rotation.
func (k *Kept) Registered(ctx context.Context, value string, failure error) (rotated bool, err error) {
	known := k.Memory.known.Load()
	if known == nil || known.Next == nil || known.Next.Value != value {
		return false, nil
	}
	if failure != nil {
		k.Rotated("failed")
		return false, nil
	}
	rec, _, err := k.latest(ctx)
	if err != nil {
		return false, err
	}
	if rec.Next == nil || rec.Next.Value != value {
		return false, nil // another node was here, without the lock
	}
	now := time.Now()
	old := rec.Current
	old.Until = now.Add(k.Grace)
	rec.Previous = slices.Insert(slices.Clone(rec.Previous), 0, old)
	rec.Previous = rec.Previous[:min(len(rec.Previous), maxPrevious)]
	rec.Current, rec.Next = kept{Value: value, Made: rec.Next.Made}, nil
	if err := k.save(ctx, rec); err != nil {
		return false, err
	}
	k.Rotated("ok")
	k.Logger.Info("secret rotated", zap.Time("old_accepted_until", old.Until))
	return true, nil
}

// save writes a record, and accepts what it holds only then: what is accepted
// here must be known to all.
func (k *Kept) save(ctx context.Context, rec *record) error {
	if err := k.store.save(ctx, rec); err != nil {
		return err
	}
	k.Memory.learn(rec)
	return nil
}

// setAside moves a damaged record out of the way. What is in memory is stored in
// its place, or else a new secret.
func (k *Kept) setAside(ctx context.Context) error {
	aside, err := k.store.setAside(ctx)
	if err != nil {
		return err
	}
	k.Logger.Error("secrets in storage damaged; they are replaced", zap.String("key", k.store.key()), zap.String("set_aside_as", aside))
	return nil
}
