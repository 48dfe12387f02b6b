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
	leaseTime     = 30 * time.Second // how long a lease lasts
	leaseInterval = 10 * time.Second // between looks at it

	// lockTimeout bounds the wait for the lock. One whose holder was killed may stay for
	// ever. Without it two processes may take the lease at once: the one that has written
	// last has it, and the other one learns that by a conflict or when it renews its own.
	lockTimeout = 5 * time.Second

	storageTimeout = 15 * time.Second // for the lock and everything else
)

// lease decides which of the processes that share a storage fetches.
type lease struct {
	held atomic.Bool

	turn       chan struct{} // filled by the one that looks, who alone uses what follows
	other      []byte        // the record of another process, as last seen
	otherSince time.Time     // since when it has not changed
}

func leaseKey(c Config) string { return path.Join(c.Prefix, "poll.json") }

// leaseRecord is what is in storage.
type leaseRecord struct {
	Process string    `json:"process"`
	Until   time.Time `json:"until"`
}

// look takes the lease or renews it, and returns the process that has it instead, if one
// has: then nothing more is begun. After an error the lease is held if it was before.
func (p *Poller) look(ctx context.Context, c Config) (holder string, err error) {
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

// lasts reports whether the lease of another process lasts. One that has not been renewed
// for its time does not, whatever the other's clock has put there.
func (l *lease) lasts(content []byte, record leaseRecord) bool {
	now := time.Now()
	if !bytes.Equal(content, l.other) {
		l.other, l.otherSince = content, now
	}
	return now.Before(record.Until) && now.Sub(l.otherSince) < leaseTime
}

// giveBack deletes the lease, if this process has it. If that fails, it ends by itself.
func (p *Poller) giveBack() {
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

// renewLease renews the lease as long as this process has it.
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
		holder, err := p.look(ctx, c)
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
