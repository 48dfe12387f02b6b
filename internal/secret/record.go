package secret

import (
	"encoding/json"
	"errors"
	"slices"
	"time"
)

// record holds a bot's secrets as they lie in storage. Their values are nowhere
// else but in the memory of a process.
type record struct {
	Version int `json:"version"`

	// Begun is when the first record of its kind was made: the bot's first one, or one in
	// place of a record that was lost. The records that follow from it keep the time.
	Begun time.Time `json:"begun,omitzero"`

	// Revision grows with every change. A process does not replace its record by
	// an older one, which a storage may still return.
	Revision int64 `json:"revision"`

	Current  kept   `json:"current"`
	Next     *kept  `json:"next,omitempty"`
	Previous []kept `json:"previous,omitempty"` // the latest first

	// DoubtUntil is how long Telegram may have a secret that is not in this record, since
	// one was lost.
	DoubtUntil time.Time `json:"doubt_until,omitzero"`

	stored []byte // what storage holds; nil if it holds none
}

// kept is one secret.
type kept struct {
	Value string    `json:"value"`
	Made  time.Time `json:"made"`
	Until time.Time `json:"until,omitzero"` // when it is no longer accepted; zero for never
}

const (
	recordVersion = 1

	// maxPrevious bounds the old secrets, of which Telegram uses only the latest.
	maxPrevious = 8

	// maxAhead is how far the clock of the node that wrote a record may be ahead.
	maxAhead = time.Hour
)

var (
	errDamaged = errors.New("the secrets in storage are damaged")

	// ErrNewer is the error of a record that only newer nodes understand and change.
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

// holds reports whether the secret is accepted by the record.
func (rec *record) holds(value string) bool {
	return slices.ContainsFunc(rec.accepted(), func(a kept) bool { return a.Value == value })
}

// replaces reports whether the record takes the place of another one in memory. Two nodes
// that write without the lock can make different records of one revision; the one in
// storage, which is read last, counts.
func (rec *record) replaces(old *record) bool {
	if !rec.Begun.Equal(old.Begun) {
		return rec.Begun.After(old.Begun)
	}
	return rec.Revision > old.Revision ||
		rec.Revision == old.Revision && !slices.EqualFunc(rec.accepted(), old.accepted(), func(a, b kept) bool { return a.Value == b.Value })
}

// follows reports whether the record was made by nodes that knew the other one.
func (rec *record) follows(old *record) bool {
	return rec.Begun.Equal(old.Begun) && rec.Revision > old.Revision
}

// limit has a secret accepted no longer than until then.
func (a *kept) limit(latest time.Time) {
	if a.Until.IsZero() || a.Until.After(latest) {
		a.Until = latest
	}
}

// retire has a secret accepted until then, and no longer.
func (rec *record) retire(a kept, until time.Time) {
	a.Until = until
	rec.Previous = append([]kept{a}, rec.Previous[:min(len(rec.Previous), maxPrevious-1)]...)
}

// limit corrects times that a wrong clock on another node has made, so that no
// secret stays in force for longer than configured. A grace period ends no later
// than one that begins now, and a current secret from the far future is due for
// rotation at once.
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

// decode reads a record and refuses one that save cannot have written. A newer one may
// have another form; its version comes first in it.
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
