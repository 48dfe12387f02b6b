package secret

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"go.uber.org/zap"

	"github.com/caddy-telegram/telegramwebhook/internal/storage"
)

// Kept makes a bot's secrets and keeps them in Caddy's storage, the same for all nodes that
// share it. Only requests with an unknown secret wait for storage.
type Kept struct {
	Storage *storage.Storage
	Prefix  string        // of the bot's keys in storage
	Every   time.Duration // how long a secret is registered; 0 for ever
	Grace   time.Duration // how long it is accepted afterwards
	Accept  *Configured   // also accepted; nil for none
	Memory  *Memory
	Alone   *atomic.Bool // no other node is known to serve the bot; false until the record was read
	Logger  *zap.Logger
	Missing func() // called when the record is missing or damaged in storage, and has to be restored
}

// Memory is the part of a bot's kept secrets that outlives reloads: they stay in force even
// while storage is away. The zero value is empty.
type Memory struct {
	accepted atomic.Pointer[Set] // of record and retained; nil without a record
	waiting  atomic.Int32        // requests that wait for a reading

	mu       sync.Mutex
	record   record        // the latest; without a current secret for none
	retained []kept        // of a replaced record whose secrets the new one does not know
	seenNext string        // the next secret that storage last returned
	seenAt   time.Time     // when storage first returned it
	unsure   bool          // the last reading failed, or found no sound record
	followed bool          // follow waits for the end of another node's rotation
	reading  chan struct{} // closed at the end of the reading under way; nil for none
	readAt   time.Time     // when the last reading ended
}

// latest returns a copy of the record.
func (m *Memory) latest() record {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.record
}

// learn takes over a record that is later than the one in memory. If the node that made it did not know the old one,
// Telegram may have an old secret: all of them stay accepted for the grace period.
func (m *Memory) learn(rec record, grace time.Duration) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if rec.Current.Value == "" || !rec.replaces(&m.record) {
		return
	}
	if m.record.Current.Value != "" && !rec.follows(&m.record) {
		m.retained = m.record.accepted()
		for i := range m.retained {
			m.retained[i].limit(time.Now().Add(grace))
		}
	}
	m.record = rec
	m.accepted.Store(NewSet(append(rec.accepted(), m.retained...)...))
}

// forget empties the memory, after the webhook and its record were deleted.
func (m *Memory) forget() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.record, m.retained, m.unsure = record{}, nil, false
	m.accepted.Store(nil)
}

const (
	readInterval = time.Second      // between two readings for unknown secrets, at least
	readTimeout  = 10 * time.Second // of a reading
	readWait     = 2 * time.Second  // of a request for a reading

	// maxWaiting bounds the waiting requests: a flood of forgeries must not pile up behind slow storage.
	maxWaiting = 200

	// maxFollowUps bounds the readings during another node's rotation, which takes a few
	// seconds unless Telegram or storage is away.
	maxFollowUps = 100

	// unsettled is how long after a rotation, or after its due time, the nodes may disagree:
	// storage may return an older record, and two nodes may have been in the lock.
	unsettled = time.Minute
)

// Match satisfies Source.
func (k *Kept) Match(value string) bool {
	set := k.Memory.accepted.Load()
	match := set != nil && set.Match(value)
	return k.Accept != nil && k.Accept.Match(value) || match
}

// Known satisfies Source.
func (k *Kept) Known() bool { return k.Memory.accepted.Load() != nil }

// Current satisfies Source.
func (k *Kept) Current() string { return k.Memory.latest().Current.Value }

// Refresh satisfies Source. It starts a reading of storage, at most once per readInterval, and
// waits for it, at most for readWait.
func (k *Kept) Refresh(ctx context.Context) (doubt bool) {
	m := k.Memory
	m.mu.Lock()
	if m.reading == nil && time.Since(m.readAt) >= readInterval {
		m.reading = make(chan struct{})
		go k.read()
	}
	reading := m.reading
	m.mu.Unlock()
	if reading == nil {
		return k.mayHaveRotated()
	}
	defer m.waiting.Add(-1)
	if m.waiting.Add(1) > maxWaiting {
		return true
	}
	select {
	case <-reading:
		return k.mayHaveRotated()
	case <-time.After(readWait):
	case <-ctx.Done():
	}
	return true // without a reading, any node may have rotated, even one that this node has not met
}

// mayHaveRotated reports whether an unknown secret may be in force although storage was read:
// other nodes may be in the middle of a rotation.
func (k *Kept) mayHaveRotated() bool {
	m := k.Memory
	m.mu.Lock()
	defer m.mu.Unlock()
	now, due := time.Now(), k.due(&m.record)
	switch {
	case m.unsure, now.Before(m.record.DoubtUntil):
		return true
	case k.Alone.Load():
		return false
	}
	return m.record.Next != nil || now.Before(m.record.Current.Made.Add(unsettled)) ||
		!due.IsZero() && !now.Before(due) && now.Before(due.Add(unsettled))
}

// read reads storage for all waiting requests, independent of the end of any of them.
func (k *Kept) read() {
	ctx, cancel := context.WithTimeout(context.Background(), readTimeout)
	defer cancel()
	rec, err := k.load(ctx)
	if err == nil {
		k.Memory.learn(rec, k.Grace)
	}
	gone := err == nil && rec.stored == nil || errors.Is(err, errDamaged)
	m := k.Memory
	m.mu.Lock()
	defer m.mu.Unlock()
	m.unsure = err != nil || gone
	close(m.reading)
	m.reading, m.readAt = nil, time.Now()
	if m.record.Next != nil && !m.followed {
		m.followed = true
		k.follow(maxFollowUps)
	}
	if gone && m.record.Current.Value != "" {
		k.Missing()
	}
}

// follow reads storage again until another node's rotation has ended, to learn when the old secret's grace period ends.
func (k *Kept) follow(times int) {
	time.AfterFunc(2*settleTime, func() {
		k.Refresh(context.Background())
		m := k.Memory
		m.mu.Lock()
		defer m.mu.Unlock()
		if m.followed = times > 1 && m.record.Next != nil; m.followed {
			k.follow(times - 1)
		}
	})
}

// Status satisfies Source.
func (k *Kept) Status() Status {
	rec := k.Memory.latest()
	_, next := k.plan(&rec, time.Now())
	return Status{Source: "kept", Made: rec.Current.Made, Due: k.due(&rec), Rotating: rec.Next != nil, NextStep: next}
}
