package secret

import (
	"context"
	"errors"
	"slices"
	"time"

	"go.uber.org/zap"
)

// A rotation has three steps. Each ends with a record in storage, and can be taken
// again after a crash:
//
//  1. The next secret is stored. Every node accepts it from now on: a node that
//     does not know it yet reads storage when it first sees it.
//  2. It is registered with Telegram, settleTime later.
//  3. It becomes the current secret. The one before is accepted for the grace
//     period, for requests that are under way.
//
// Until step 3 the old secret stays accepted, whatever fails.

// settleTime is the time between storing the next secret and registering it. It is
// longer than readInterval: a node that has just read storage because of a forgery
// must not refuse the first request with the new secret.
const settleTime = 2 * time.Second

// Advance satisfies Source. It also makes the first secret, and forgets secrets
// that are no longer accepted. If storage does not take the change, Advance returns
// the secret in memory besides the error.
func (k *Kept) Advance(ctx context.Context, rotate bool) (value string, err error) {
	rec, err := k.latest(ctx)
	if err != nil {
		return "", err
	}
	now := time.Now()
	k.update(&rec, rotate, now)
	if err = k.save(ctx, rec); err != nil {
		rec = k.Memory.latest()
	}
	value, _ = k.plan(&rec, now)
	return value, err
}

// latest returns the latest record, of storage or of memory: storage that was lost
// or restored must not bring back an older one. A damaged record is set aside.
func (k *Kept) latest(ctx context.Context) (rec record, err error) {
	loaded, err := k.load(ctx)
	if errors.Is(err, errDamaged) {
		err = k.setAside(ctx)
	}
	if err != nil {
		return rec, err
	}
	k.Memory.learn(loaded)
	rec = k.Memory.latest()
	rec.stored = loaded.stored
	return rec, nil
}

// update makes the first secret or the next one, if needed, and removes those that
// are no longer accepted.
func (k *Kept) update(rec *record, rotate bool, now time.Time) {
	due := k.due(rec)
	switch {
	case rec.Current.Value == "":
		rec.Current = kept{Value: New(), Made: now}
	case rec.Next == nil && (rotate || !due.IsZero() && !now.Before(due)):
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

// plan returns the secret to register now, and when the next step is to be taken; zero
// for never.
func (k *Kept) plan(rec *record, now time.Time) (value string, next time.Time) {
	value, next = rec.Current.Value, k.due(rec)
	if rec.Next != nil {
		next = rec.Next.Made.Add(settleTime)
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
func (k *Kept) Registered(ctx context.Context, value string, failure error) (rotated bool, err error) {
	rec := k.Memory.latest()
	if rec.Next == nil || rec.Next.Value != value {
		return false, nil
	}
	if failure != nil {
		k.Rotated("failed")
		return false, nil
	}
	rec, err = k.latest(ctx)
	if err != nil || rec.Next == nil || rec.Next.Value != value { // another node may have acted without the lock
		return false, err
	}
	old := rec.Current
	old.Until = time.Now().Add(k.Grace)
	rec.Previous = append([]kept{old}, rec.Previous[:min(len(rec.Previous), maxPrevious-1)]...)
	rec.Current, rec.Next = *rec.Next, nil
	if err := k.save(ctx, rec); err != nil {
		return false, err
	}
	k.Rotated("ok")
	k.Logger.Info("secret rotated", zap.Time("old_accepted_until", old.Until))
	return true, nil
}
