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

// Kept makes a bot's secrets and keeps them in Caddy's storage, the same for all
// nodes that share it. Only requests with an unknown secret wait for storage.
type Kept struct {
	Storage *storage.Storage
	Prefix  string        // of the bot's keys in storage
	Every   time.Duration // how long a secret is registered; 0 for ever
	Grace   time.Duration // how long it is accepted afterwards
	Accept  *Configured   // accepted besides, while one way of keeping secrets replaces another; nil for none
	Memory  *Memory
	Alone   *atomic.Bool // no other node serves the bot, and may rotate its secret; false until that is known
	Logger  *zap.Logger
	Missing func() // called when the record is not in storage any more: it is to be restored soon
}

// Memory is what this process knows of a bot's kept secrets. The configurations
// that serve the bot one after another share it: the secrets stay in force over a
// reload even while storage is away. The zero value is an empty memory.
type Memory struct {
	accepted atomic.Pointer[Set] // by record and retained; nil without a record
	waiting  atomic.Int32        // requests that wait for a reading

	mu       sync.Mutex
	record   record        // the latest; without a current secret if there is none
	retained []kept        // of a record that another one has replaced without following from it
	seenNext string        // the next secret as storage has last returned it
	seenAt   time.Time     // when storage first returned that
	unsure   bool          // the last reading has not brought the record
	followed bool          // the end of another node's rotation is waited for
	reading  chan struct{} // of storage, under way; closed when it ends; nil without one
	readAt   time.Time     // when the last reading ended
}

// latest returns a copy of the record.
func (m *Memory) latest() record {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.record
}

// learn takes over a record that is later than the one in memory. One that does not follow
// from it was made by a node that did not know it: what was accepted stays accepted for the
// grace period then, since Telegram may have it.
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

// forget empties the memory: the webhook was deleted, and its record with it.
func (m *Memory) forget() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.record, m.retained, m.unsure = record{}, nil, false
	m.accepted.Store(nil)
}

const (
	// readInterval is the least time between two readings for unknown secrets.
	readInterval = time.Second

	// readTimeout bounds one reading, and readWait how long a request waits for it.
	readTimeout = 10 * time.Second
	readWait    = 2 * time.Second

	// maxWaiting bounds the requests that wait at once: a flood of forgeries must
	// not pile up behind slow storage.
	maxWaiting = 200

	// maxFollowUps bounds the readings that wait for the end of another node's rotation, which
	// takes a few seconds unless Telegram or storage is away.
	maxFollowUps = 100

	// unsettled is how long after a rotation, or after one was due, nodes may not agree yet:
	// storage may return an older record, and two nodes may have held the lock.
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

// Refresh satisfies Source. It reads storage, at most once per readInterval, and
// waits for the reading under way, at most for readWait.
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
		return k.mayHaveRotated(false)
	}
	defer m.waiting.Add(-1)
	if m.waiting.Add(1) > maxWaiting {
		return k.mayHaveRotated(true)
	}
	ctx, cancel := context.WithTimeout(ctx, readWait)
	defer cancel()
	select {
	case <-reading:
		return k.mayHaveRotated(false)
	case <-ctx.Done():
		return k.mayHaveRotated(true)
	}
}

// mayHaveRotated reports whether a secret that is not accepted may be in force: storage has
// not been read, so that a rotation may have happened on a node that this one does not even
// know of, or other nodes may be in the middle of a rotation.
func (k *Kept) mayHaveRotated(unread bool) bool {
	m := k.Memory
	m.mu.Lock()
	defer m.mu.Unlock()
	now, due := time.Now(), k.due(&m.record)
	switch {
	case unread, m.unsure, now.Before(m.record.DoubtUntil):
		return true
	case k.Alone.Load():
		return false
	}
	return m.record.Next != nil || now.Before(m.record.Current.Made.Add(unsettled)) ||
		!due.IsZero() && !now.Before(due) && now.Before(due.Add(unsettled))
}

// read reads storage for all requests that wait, so it is bound to none of them.
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

// follow reads storage again while another node rotates the secret: nothing else tells this
// one that the old secret's time ends.
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
