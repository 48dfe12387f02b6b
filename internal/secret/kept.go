package secret

import (
	"context"
	"slices"
	"sync/atomic"
	"time"

	"github.com/caddyserver/certmagic"
	"go.uber.org/zap"
)

// Kept is a bot's secrets that the gate makes by itself and keeps in Caddy's
// storage, the same for all nodes that share it. It never waits for storage
// while it knows enough to judge a request.
type Kept struct {
	KeptConfig
	store store
}

// KeptConfig is what kept secrets need.
type KeptConfig struct {
	Storage certmagic.Storage
	Prefix  string        // the bot's keys in storage
	Every   time.Duration // how long a secret is registered; 0 for ever
	Grace   time.Duration // how long it is accepted after that
	Memory  *Memory
	Logger  *zap.Logger

	// Rotated is told what a rotation came to: ok or failed.
	Rotated func(result string)
}

// NewKept makes a source of kept secrets. It touches no storage yet.
func NewKept(config KeptConfig) *Kept {
	return &Kept{KeptConfig: config, store: store{config.Storage, config.Prefix, config.Grace}}
}

// Memory is what this process knows of a bot's kept secrets. It is shared by the
// configurations that serve the bot one after another, so that a reload goes on
// with it even when storage is away. The zero value knows nothing.
type Memory struct {
	known   atomic.Pointer[known]
	reading atomic.Pointer[reading]
	readAt  atomic.Int64 // when storage was last read, in Unix nanoseconds
	waiting atomic.Int32 // requests that wait for a reading
	failing atomic.Bool  // the last reading failed, which has been logged
}

// known is a record, and what is accepted by it.
type known struct {
	record
	accepted *Set
}

// learn takes over a record, unless it is known already, or a later one is. Of
// two that have the same revision, which only nodes can write that went on
// without the lock, the one in storage counts.
func (m *Memory) learn(rec *record) {
	for {
		old := m.known.Load()
		if old != nil && (old.Revision > rec.Revision || old.Revision == rec.Revision && slices.Equal(old.values(), rec.values())) {
			return
		}
		if m.known.CompareAndSwap(old, &known{*rec, rec.set()}) {
			return
		}
	}
}

// Accepted satisfies Source.
func (k *Kept) Accepted() *Set {
	if known := k.Memory.known.Load(); known != nil {
		return known.accepted
	}
	return nil
}

const (
	// readInterval is how often unknown secrets make a node read storage, at most.
	readInterval = time.Second

	// readTimeout bounds one reading, and readWait how long a request waits for it.
	readTimeout = 10 * time.Second
	readWait    = 2 * time.Second

	// maxWaiting is how many requests wait at once: a flood of forgeries must
	// not pile up behind a storage that is slow.
	maxWaiting = 200
)

// reading is one look into storage, for which any number of requests may wait.
type reading struct{ done chan struct{} }

// Refresh satisfies Source: it reads storage, at most once a second, and waits
// for a reading that is under way, but not for long.
func (k *Kept) Refresh(ctx context.Context) bool {
	if r := k.currentReading(); r != nil {
		k.Memory.wait(ctx, r)
	}
	return true
}

// currentReading returns the reading that is under way, and begins one if the
// last is long enough ago; nil if it is not.
func (k *Kept) currentReading() *reading {
	m := k.Memory
	if r := m.reading.Load(); r != nil {
		return r
	}
	if age := time.Now().UnixNano() - m.readAt.Load(); age >= 0 && age < int64(readInterval) {
		return nil
	}
	r := &reading{make(chan struct{})}
	if !m.reading.CompareAndSwap(nil, r) {
		return m.reading.Load()
	}
	go k.read(r)
	return r
}

// wait waits for a reading, unless too many do.
func (m *Memory) wait(ctx context.Context, r *reading) {
	defer m.waiting.Add(-1)
	if m.waiting.Add(1) > maxWaiting {
		return
	}
	timeout := time.NewTimer(readWait)
	defer timeout.Stop()
	select {
	case <-r.done:
	case <-timeout.C:
	case <-ctx.Done():
	}
}

// read is not bound to a request: others wait for it too.
func (k *Kept) read(r *reading) {
	m := k.Memory
	defer func() {
		m.readAt.Store(time.Now().UnixNano())
		m.reading.Store(nil)
		close(r.done)
	}()
	ctx, cancel := context.WithTimeout(context.Background(), readTimeout)
	defer cancel()
	rec, err := k.store.load(ctx)
	if rec != nil {
		m.learn(rec)
	}
	k.reportReading(err)
}

// reportReading logs that storage cannot be read, once until it can be again.
func (k *Kept) reportReading(err error) {
	failing := err != nil
	if k.Memory.failing.Swap(failing) == failing {
		return
	}
	switch {
	case !failing:
		k.Logger.Info("secrets in storage can be read again")
	case k.Memory.known.Load() == nil:
		k.Logger.Error("secrets in storage cannot be read, and none are in memory; requests get 503", zap.Error(err))
	default:
		k.Logger.Error("secrets in storage cannot be read; those in memory stay in force", zap.Error(err))
	}
}

// Configured satisfies Source.
func (*Kept) Configured() string { return "" }

// Status satisfies Source.
func (k *Kept) Status() Status {
	status := Status{Source: "kept"}
	if known := k.Memory.known.Load(); known != nil {
		status.Made, status.Rotating = known.Current.Made, known.Next != nil
		if k.Every > 0 {
			status.Due = known.Current.Made.Add(k.Every)
		}
	}
	return status
}
