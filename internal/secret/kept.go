package secret

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/caddyserver/certmagic"
	"go.uber.org/zap"
)

// Kept makes a bot's secrets and keeps them in Caddy's storage, the same for all
// nodes that share it. Only requests with an unknown secret wait for storage.
type Kept struct {
	Storage certmagic.Storage
	Prefix  string        // of the bot's keys in storage
	Every   time.Duration // how long a secret is registered; 0 for ever
	Grace   time.Duration // how long it is accepted afterwards
	Memory  *Memory
	Logger  *zap.Logger
	Rotated func(result string) // called when a rotation ends or cannot be registered: ok or failed
}

// Memory is what this process knows of a bot's kept secrets. The configurations
// that serve the bot one after another share it: the secrets stay in force over a
// reload even while storage is away. The zero value is an empty memory.
type Memory struct {
	accepted atomic.Pointer[Set] // by record; nil if there is none
	waiting  atomic.Int32        // requests that wait for a reading

	mu      sync.Mutex
	record  record        // the latest; without a current secret if there is none
	reading chan struct{} // of storage, under way; closed when it ends; nil without one
	readAt  time.Time     // when the last reading ended

	failing bool // the last reading failed, which has been logged; used by the reading alone
}

// latest returns a copy of the record.
func (m *Memory) latest() record {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.record
}

// learn takes over a record that is later than the one in memory. Two nodes that
// write without the lock can make different records of one revision; the one in
// storage, which is read last, counts.
func (m *Memory) learn(rec record) {
	m.mu.Lock()
	defer m.mu.Unlock()
	accepted := rec.accepted()
	same := slices.EqualFunc(accepted, m.record.accepted(), func(a, b kept) bool { return a.Value == b.Value })
	if rec.Current.Value != "" && (rec.Revision > m.record.Revision || rec.Revision == m.record.Revision && !same) {
		m.record = rec
		m.accepted.Store(NewSet(accepted...))
	}
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
)

// Accepted satisfies Source.
func (k *Kept) Accepted() *Set { return k.Memory.accepted.Load() }

// Refresh satisfies Source. It reads storage, at most once per readInterval, and
// waits for the reading under way, at most for readWait.
func (k *Kept) Refresh(ctx context.Context) bool {
	m := k.Memory
	m.mu.Lock()
	if m.reading == nil && time.Since(m.readAt) >= readInterval {
		m.reading = make(chan struct{})
		go k.read()
	}
	reading := m.reading
	m.mu.Unlock()
	defer m.waiting.Add(-1)
	if m.waiting.Add(1) > maxWaiting || reading == nil {
		return true
	}
	ctx, cancel := context.WithTimeout(ctx, readWait)
	defer cancel()
	select {
	case <-reading:
	case <-ctx.Done():
	}
	return true
}

// read reads storage for all requests that wait, so it is bound to none of them.
func (k *Kept) read() {
	ctx, cancel := context.WithTimeout(context.Background(), readTimeout)
	defer cancel()
	rec, err := k.load(ctx)
	k.Memory.learn(rec)
	k.reportReading(err)
	m := k.Memory
	m.mu.Lock()
	defer m.mu.Unlock()
	close(m.reading)
	m.reading, m.readAt = nil, time.Now()
}

// reportReading logs the first failure and the first success after it.
func (k *Kept) reportReading(err error) {
	wasFailing := k.Memory.failing
	k.Memory.failing = err != nil
	switch {
	case wasFailing == (err != nil):
	case err == nil:
		k.Logger.Info("secrets in storage can be read again")
	case k.Accepted() == nil:
		k.Logger.Error("secrets in storage cannot be read, and none are in memory; requests get 503", zap.Error(err))
	default:
		k.Logger.Error("secrets in storage cannot be read; those in memory stay in force", zap.Error(err))
	}
}

// Status satisfies Source.
func (k *Kept) Status() Status {
	rec := k.Memory.latest()
	_, next := k.plan(&rec, time.Now())
	return Status{Source: "kept", Made: rec.Current.Made, Due: k.due(&rec), Rotating: rec.Next != nil, NextStep: next}
}

func (k *Kept) key() string { return path.Join(k.Prefix, "secret.json") }

// load reads the record from storage; an empty one if there is none. The error holds
// nothing of the content.
func (k *Kept) load(ctx context.Context) (rec record, err error) {
	content, err := k.Storage.Load(ctx, k.key())
	if errors.Is(err, fs.ErrNotExist) {
		return rec, nil
	}
	if err != nil {
		return rec, fmt.Errorf("reading %s from storage: %w", k.key(), err)
	}
	if rec, err = decode(content); err == nil {
		rec.limit(time.Now(), k.Grace)
	}
	return rec, err
}

// save writes the record as the next revision, unless storage has it. This node
// accepts its secrets only then: other nodes must be able to learn them.
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
		return fmt.Errorf("writing %s to storage: %w", k.key(), err)
	}
	k.Memory.learn(rec)
	return nil
}

// setAside copies a damaged record to another key, for a person to look at.
func (k *Kept) setAside(ctx context.Context) error {
	aside := path.Join(k.Prefix, "secret-damaged-"+time.Now().UTC().Format("20060102T150405Z")+".json")
	content, err := k.Storage.Load(ctx, k.key())
	if err == nil {
		err = k.Storage.Store(ctx, aside, content)
	}
	if err != nil {
		return fmt.Errorf("copying %s to %s in storage: %w", k.key(), aside, err)
	}
	k.Logger.Error("secrets in storage damaged; they are replaced", zap.String("key", k.key()), zap.String("set_aside_as", aside))
	return nil
}
