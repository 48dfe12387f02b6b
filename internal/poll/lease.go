package poll

import (
	"bytes"
	"context"
	"encoding/json"
	"path"
	"sync/atomic"
	"time"

	"go.uber.org/zap"

	"github.com/caddy-telegram/telegramwebhook/internal/botapi"
)

const (
	leaseTime     = 30 * time.Second // of a lease without renewal
	leaseInterval = 10 * time.Second // between renewals, or tries to take it

	// lockTimeout bounds the wait for the lock, which may stay for ever after its holder was
	// killed. Without the lock two processes may take the lease at once: the last writer has
	// it, and the other one learns that by a conflict or at its next renewal.
	lockTimeout = 5 * time.Second

	storageTimeout = 15 * time.Second // for the lock and everything else
)

// lease decides which of the processes that share a storage fetches.
type lease struct {
	held atomic.Bool

	turn       chan struct{} // filled while takeLease runs, and guards the other two fields
	other      []byte        // the last record of another process
	otherSince time.Time     // when that was first seen
}

func leaseKey(c Config) string { return path.Join(c.Prefix, "poll.json") }

// leaseRecord is the lease in storage.
type leaseRecord struct {
	Process string    `json:"process"`
	Until   time.Time `json:"until"`
}

// takeLease takes or renews the lease. If another process has it, it returns that process, and
// no more deliveries begin. After an error the lease is held if it was before.
func (p *Poller) takeLease(ctx context.Context, c Config) (holder string, err error) {
	defer catchPanic(c.Logger, &err)
	l := &p.lease
	l.turn <- struct{}{}
	defer func() { <-l.turn }()
	ctx, cancel := context.WithTimeout(ctx, storageTimeout)
	defer cancel()
	unlock, err := c.Storage.Lock(ctx, path.Join(c.Prefix, "poll"), lockTimeout)
	if err != nil {
		return "", err
	}
	defer func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), grace)
		defer cancel()
		unlock(ctx)
	}()
	content, err := c.Storage.Load(ctx, leaseKey(c))
	if err != nil {
		return "", err
	}
	var found leaseRecord
	if json.Unmarshal(content, &found) == nil && found.Process != c.Process && l.lasts(content, found) {
		l.held.Store(false)
		p.forget()
		return found.Process, nil
	}
	content, _ = json.Marshal(leaseRecord{c.Process, time.Now().Add(leaseTime)})
	if err := c.Storage.Store(ctx, leaseKey(c), content); err != nil {
		return "", err
	}
	l.held.Store(true)
	return "", nil
}

// lasts reports whether the lease of another process lasts. Without a renewal it does not last
// longer than leaseTime by this node's clock, whatever time the record says.
func (l *lease) lasts(content []byte, record leaseRecord) bool {
	now := time.Now()
	if !bytes.Equal(content, l.other) {
		l.other, l.otherSince = content, now
	}
	return now.Before(record.Until) && now.Sub(l.otherSince) < leaseTime
}

// releaseLease deletes the lease if this process has it. If that fails, the lease expires.
func (p *Poller) releaseLease() {
	if !p.lease.held.Swap(false) {
		return
	}
	c := p.currentConfig()
	defer catchPanic(c.Logger, new(error))
	ctx, cancel := context.WithTimeout(context.Background(), grace)
	defer cancel()
	var found leaseRecord
	content, _ := c.Storage.Load(ctx, leaseKey(c))
	if json.Unmarshal(content, &found) == nil && found.Process == c.Process {
		_ = c.Storage.Module.Delete(ctx, leaseKey(c))
	}
}

// renewLease renews the lease while this process has it.
func (p *Poller) renewLease(ctx context.Context) {
	failed := false
	for {
		select {
		case <-time.After(botapi.Jitter(leaseInterval)):
		case <-ctx.Done():
			return
		}
		if !p.lease.held.Load() {
			continue
		}
		c := p.currentConfig()
		holder, err := p.takeLease(ctx, c)
		if err != nil && !failed && ctx.Err() == nil {
			c.Logger.Warn("lease in storage not renewed", zap.Error(err))
		}
		failed = err != nil
		if holder != "" {
			p.mu.Lock()
			p.interrupt()
			p.mu.Unlock()
		}
	}
}
