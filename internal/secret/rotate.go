package secret

import (
	"context"
	"errors"
	"slices"
	"time"

	"go.uber.org/zap"
)

// A rotation has three steps. Each can be repeated after a crash:
//
//  1. The next secret is stored. From now on every node accepts it: a node that does not
//     know it yet reads storage when it first sees it.
//  2. It is registered with Telegram, settleTime after storage has returned it.
//  3. It becomes the current secret. The old one is accepted for the grace period, for
//     requests under way.
//
// Until step 3 the old secret stays accepted, whatever fails.
//
// A lost record is made again from memory. If no node knows which secret Telegram has, a rotation begins at once.

// settleTime is the time between the first reading of the next secret and its registration.
// It is longer than readInterval: a node that has just read storage because of a forgery must
// not refuse the first request with the new secret.
const settleTime = 2 * time.Second

// errUnsettled prevents the registration of a secret that Telegram may no longer have.
var errUnsettled = errors.New("secrets lost, and the next one not returned by storage yet")

// Advance satisfies Source. It also makes the first secret, and removes secrets that are no longer accepted. If writing
// to storage fails, Advance returns the secret in memory and the error.
func (k *Kept) Advance(ctx context.Context, rotate bool, registered func(value string) bool) (value string, err error) {
	rec, err := k.latest(ctx)
	if err != nil {
		return "", err
	}
	missing := rec.stored == nil
	now := time.Now()
	k.followTelegram(&rec, registered, now)
	k.update(&rec, rotate, now)
	if err = k.save(ctx, rec); err != nil {
		if missing {
			return "", err
		}
		rec = k.Memory.latest()
	}
	if rec.Next != nil {
		_, _ = k.load(ctx) // notes the next secret; if it fails, the next attempt does
	}
	value, next := k.plan(&rec, time.Now())
	if rec.Next != nil && value != rec.Next.Value && now.Before(rec.DoubtUntil) {
		select {
		case <-time.After(time.Until(next)):
		case <-ctx.Done():
		}
		if value, _ = k.plan(&rec, time.Now()); value != rec.Next.Value {
			return "", errUnsettled
		}
	}
	return value, err
}

// latest returns the later of the records in storage and in memory: a restored storage must
// not bring back an older one. A damaged record is set aside.
func (k *Kept) latest(ctx context.Context) (rec record, err error) {
	loaded, err := k.load(ctx)
	if errors.Is(err, errDamaged) {
		err = k.setAside(ctx)
	}
	if err != nil {
		return rec, err
	}
	k.Memory.learn(loaded, k.Grace)
	rec = k.Memory.latest()
	rec.stored = loaded.stored
	return rec, nil
}

// followTelegram makes the secret that Telegram has the current one if the record does not
// name it: the record is missing, or Telegram has one of Accept.
func (k *Kept) followTelegram(rec *record, registered func(value string) bool, now time.Time) {
	missing, first := rec.stored == nil, rec.Current.Value == ""
	var known []string
	if !first {
		for _, a := range rec.accepted() {
			known = append(known, a.Value)
		}
	}
	ofRecord := len(known)
	if k.Accept != nil {
		known = append(known, k.Accept.values...)
	}
	i := -1
	if registered != nil {
		i = slices.IndexFunc(known, registered)
	}
	switch {
	case !missing && i < ofRecord: // the record names it, or none is known to be registered
		return
	case i >= 0:
		k.makeCurrent(rec, known[i], now)
	case first:
		rec.Current = kept{Value: append(known, New())[0], Made: now}
		if registered != nil { // with a secret that other nodes may know
			rec.DoubtUntil = now.Add(unsettled)
		}
	default:
		if rec.Next != nil {
			rec.retire(*rec.Next, now.Add(k.Grace))
		}
		rec.Next = &kept{Value: New(), Made: now}
		rec.DoubtUntil = now.Add(24 * time.Hour) // shortened when the next secret is registered
	}
	if missing && !first {
		k.Logger.Warn("secrets missing from storage", zap.String("key", k.key()), zap.Bool("new_secret", i < 0))
	}
	if missing {
		rec.Begun = now
		if !now.After(k.Memory.latest().Begun) {
			rec.Begun = k.Memory.latest().Begun.Add(1)
		}
	}
}

// makeCurrent makes a secret the current one, and retires the one before.
func (k *Kept) makeCurrent(rec *record, value string, now time.Time) {
	old := rec.Current
	switch {
	case value == old.Value:
		return
	case rec.Next != nil && value == rec.Next.Value:
		rec.Current, rec.Next = *rec.Next, nil
	default:
		rec.Current = kept{Value: value, Made: now}
	}
	rec.Previous = slices.DeleteFunc(slices.Clone(rec.Previous), func(p kept) bool { return p.Value == value })
	if old.Value != "" {
		rec.retire(old, now.Add(k.Grace))
	}
}

// update begins a due rotation, and removes the secrets that are no longer accepted.
func (k *Kept) update(rec *record, rotate bool, now time.Time) {
	due := k.due(rec)
	if rec.Next == nil && (rotate || !due.IsZero() && !now.Before(due)) {
		rec.Next = &kept{Value: New(), Made: now}
		k.Logger.Info("secret rotation begun")
	}
	rec.Previous = slices.DeleteFunc(slices.Clone(rec.Previous), func(p kept) bool { return !now.Before(p.Until) })
}

// due returns when the next rotation is due; zero for never.
func (k *Kept) due(rec *record) time.Time {
	if k.Every == 0 || rec.Current.Value == "" {
		return time.Time{}
	}
	return rec.Current.Made.Add(k.Every)
}

// plan returns the secret to register now, and the time of the next step; zero for never.
func (k *Kept) plan(rec *record, now time.Time) (value string, next time.Time) {
	value, next = rec.Current.Value, k.due(rec)
	if rec.Next != nil {
		next = now.Add(readInterval) // for another reading of it
		if seenAt, ok := k.Memory.sawNext(rec.Next.Value); ok {
			next = seenAt.Add(settleTime)
		}
		if !now.Before(next) {
			value, next = rec.Next.Value, time.Time{}
		}
	}
	for _, p := range rec.Previous {
		if next.IsZero() || p.Until.Before(next) {
			next = p.Until
		}
	}
	return value, next
}

// Registered satisfies Source. It takes the last step of a rotation.
func (k *Kept) Registered(ctx context.Context, value string) (rotated bool, err error) {
	if k.Current() == value {
		return false, nil
	}
	rec, err := k.latest(ctx)
	if err != nil {
		return false, err
	}
	now := time.Now()
	switch {
	case rec.Next != nil && rec.Next.Value == value:
		rotated = true
		k.makeCurrent(&rec, value, now)
		if now.Before(rec.DoubtUntil) {
			rec.DoubtUntil = now.Add(unsettled)
		}
	case rec.holds(value):
		return false, nil
	default: // another node has overwritten it without the lock
		rec.retire(kept{Value: value, Made: now}, now.Add(max(k.Grace, unsettled)))
	}
	if err := k.save(ctx, rec); err != nil || !rotated {
		return false, err
	}
	k.Logger.Info("secret rotated", zap.Time("old_accepted_until", now.Add(k.Grace)))
	return true, nil
}
