package secret

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path"
	"slices"
	"time"

	"go.uber.org/zap"
)

// record is a bot's secrets in storage, the only place of their values besides the memory of the nodes.
type record struct {
	Version int `json:"version"`

	// Begun is when the bot's first record was made, or the one in place of a lost record.
	// The revisions that follow keep the time.
	Begun time.Time `json:"begun,omitzero"`

	// Revision grows with every change. A process never goes back to an older revision, which storage may still return.
	Revision int64 `json:"revision"`

	Current  kept   `json:"current"`
	Next     *kept  `json:"next,omitempty"`
	Previous []kept `json:"previous,omitempty"` // the latest first

	// DoubtUntil is how long Telegram may have a secret of a lost record.
	DoubtUntil time.Time `json:"doubt_until,omitzero"`

	stored []byte // the content of storage; nil for none
}

// kept is one secret.
type kept struct {
	Value string    `json:"value"`
	Made  time.Time `json:"made"`
	Until time.Time `json:"until,omitzero"` // when it is no longer accepted; zero for never
}

const (
	recordVersion = 1

	// maxPrevious bounds the old secrets. Telegram uses only the latest.
	maxPrevious = 8

	// maxAhead is how far the clock of the node that wrote a record may be ahead.
	maxAhead = time.Hour
)

var (
	errDamaged = errors.New("the secrets in storage are damaged")

	// ErrNewer is the error of a record that only newer nodes can read.
	ErrNewer = errors.New("the secrets in storage were written by a newer version of this module; update this node")
)

// accepted returns the secrets of the record.
func (rec *record) accepted() []kept {
	accepted := []kept{rec.Current}
	if rec.Next != nil {
		accepted = append(accepted, *rec.Next)
	}
	return append(accepted, rec.Previous...)
}

// holds reports whether the record accepts the secret.
func (rec *record) holds(value string) bool {
	return slices.ContainsFunc(rec.accepted(), func(a kept) bool { return a.Value == value })
}

// replaces reports whether the record replaces the one in memory. Two nodes that write without
// the lock can make different records of one revision; the one read later, from storage, wins.
func (rec *record) replaces(old *record) bool {
	if !rec.Begun.Equal(old.Begun) {
		return rec.Begun.After(old.Begun)
	}
	return rec.Revision > old.Revision ||
		rec.Revision == old.Revision && !slices.EqualFunc(rec.accepted(), old.accepted(), func(a, b kept) bool { return a.Value == b.Value })
}

// follows reports whether the node that made the record knew the old one.
func (rec *record) follows(old *record) bool {
	return rec.Begun.Equal(old.Begun) && rec.Revision > old.Revision
}

// limit ends the acceptance of a secret no later than latest.
func (a *kept) limit(latest time.Time) {
	if a.Until.IsZero() || a.Until.After(latest) {
		a.Until = latest
	}
}

// retire makes a secret a previous one, accepted until the given time.
func (rec *record) retire(a kept, until time.Time) {
	a.Until = until
	rec.Previous = append([]kept{a}, rec.Previous[:min(len(rec.Previous), maxPrevious-1)]...)
}

// limit corrects times that a node with a wrong clock has written, so that no secret stays in
// force for longer than configured. A grace period ends no later than one that begins now,
// and a current secret from the far future is due for rotation at once.
func (rec *record) limit(now time.Time, grace time.Duration) {
	if rec.Current.Made.After(now.Add(maxAhead)) {
		rec.Current.Made = time.Time{}
	}
	if rec.Next != nil && rec.Next.Made.After(now) {
		rec.Next.Made = now
	}
	rec.Previous = rec.Previous[:min(len(rec.Previous), maxPrevious)]
	for i := range rec.Previous {
		rec.Previous[i].limit(now.Add(grace))
	}
}

// decode decodes a record, and refuses one that save cannot have written. The version comes
// first, since the rest of a newer record may not decode.
func decode(content []byte) (record, error) {
	rec := record{stored: content}
	err := json.Unmarshal(content, &rec)
	malformed := func(a kept) bool { return Check(a.Value) != nil }
	switch {
	case rec.Version > recordVersion:
		return record{}, ErrNewer
	case err != nil, rec.Version < 1, rec.Revision < 0, slices.ContainsFunc(rec.accepted(), malformed):
		return record{}, errDamaged
	}
	return rec, nil
}

func (k *Kept) key() string { return path.Join(k.Prefix, "secret.json") }

// load reads the record from storage; an empty one if it certainly does not exist. The error
// holds nothing of the content.
func (k *Kept) load(ctx context.Context) (rec record, err error) {
	content, err := k.Storage.Find(ctx, k.key())
	if err != nil || content == nil {
		return rec, err
	}
	if rec, err = decode(content); err != nil {
		return rec, err
	}
	rec.limit(time.Now(), k.Grace)
	k.Memory.see(rec.Next)
	return rec, nil
}

// see notes the next secret as storage has returned it.
func (m *Memory) see(next *kept) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if next != nil && next.Value != m.seenNext {
		m.seenNext, m.seenAt = next.Value, time.Now()
	}
}

// sawNext returns when storage first returned the next secret, if it has.
func (m *Memory) sawNext(value string) (at time.Time, ok bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.seenAt, m.seenNext == value
}

// save writes the record as the next revision, unless storage has it. This node accepts its
// secrets only after that, since other nodes must be able to read them.
func (k *Kept) save(ctx context.Context, rec record) error {
	content, err := json.Marshal(rec)
	if err != nil || bytes.Equal(content, rec.stored) {
		return err
	}
	rec.Version, rec.Revision = recordVersion, rec.Revision+1
	if content, err = json.Marshal(rec); err != nil {
		return err
	}
	if err := k.Storage.Store(ctx, k.key(), content); err != nil {
		return err
	}
	k.Memory.learn(rec, k.Grace)
	return nil
}

// setAside copies a damaged record to another key, for inspection.
func (k *Kept) setAside(ctx context.Context) error {
	aside := path.Join(k.Prefix, "secret-damaged-"+time.Now().UTC().Format("20060102T150405Z")+".json")
	content, err := k.Storage.Load(ctx, k.key())
	if err == nil {
		err = k.Storage.Store(ctx, aside, content)
	}
	if err != nil {
		return fmt.Errorf("setting %s aside: %w", k.key(), err)
	}
	k.Logger.Error("damaged secrets in storage set aside", zap.String("key", k.key()), zap.String("set_aside_as", aside))
	return nil
}

// Forget satisfies Source.
func (k *Kept) Forget(ctx context.Context) error {
	k.Memory.forget()
	return k.Storage.Delete(ctx, k.Prefix, "secret")
}
