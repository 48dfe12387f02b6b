// Package storage is Caddy's storage as the nodes of a fleet share it. Storage modules
// differ: some report every error as "not found", some refuse a held lock at once instead of
// waiting. This package checks such answers before it relies on them.
package storage

import (
	"bytes"
	"context"
	cryptorand "crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"path"
	"strings"
	"sync"
	"time"

	"github.com/caddyserver/certmagic"
	"go.uber.org/zap"
)

// Storage is the storage of one configuration.
type Storage struct {
	Module certmagic.Storage
	Health *Health
	Logger *zap.Logger
}

// Load reads a record; nil if storage reports it as not found, which may stand for any error.
func (s *Storage) Load(ctx context.Context, key string) ([]byte, error) {
	content, err := s.Module.Load(ctx, key)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, nil
	case err != nil:
		err = fmt.Errorf("reading %s from storage: %w", key, err)
	case content == nil:
		content = []byte{}
	}
	s.recordRead(err)
	return content, err
}

// Find reads a record; nil if it certainly does not exist. A record that is not found is read again after Prove.
func (s *Storage) Find(ctx context.Context, key string) ([]byte, error) {
	content, err := s.Load(ctx, key)
	if content != nil || err != nil {
		return content, err
	}
	if err := s.Prove(ctx, key); err != nil {
		return nil, err
	}
	return s.Load(ctx, key)
}

// Prove proves that storage can be read: it writes a value of its own beside a record, and reads it back.
func (s *Storage) Prove(ctx context.Context, key string) error {
	value := []byte(cryptorand.Text())
	probe := path.Join(path.Dir(key), "probe-"+string(value))
	if err := s.Store(ctx, probe, value); err != nil {
		return err
	}
	content, err := s.Module.Load(ctx, probe)
	if err == nil && !bytes.Equal(content, value) {
		err = errors.New("the content differs")
	}
	if err != nil {
		err = fmt.Errorf("reading a new record back from storage: %w", err)
	}
	s.recordRead(err)
	_ = s.Module.Delete(ctx, probe)
	return err
}

// Store writes a record.
func (s *Storage) Store(ctx context.Context, key string, content []byte) error {
	if err := s.Module.Store(ctx, key, content); err != nil {
		return fmt.Errorf("writing %s to storage: %w", key, err)
	}
	s.Health.mu.Lock()
	defer s.Health.mu.Unlock()
	s.Health.status.WrittenAt = time.Now()
	return nil
}

// Delete deletes the records directly under a prefix whose names begin with name. Some
// storages also list other prefixes that begin with this one.
func (s *Storage) Delete(ctx context.Context, prefix, name string) error {
	keys, err := s.Module.List(ctx, prefix, false)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("listing %s in storage: %w", prefix, err)
	}
	for _, key := range keys {
		if path.Dir(key) == prefix && strings.HasPrefix(path.Base(key), name) {
			if err := s.Module.Delete(ctx, key); err != nil && !errors.Is(err, fs.ErrNotExist) {
				return fmt.Errorf("deleting %s from storage: %w", key, err)
			}
		}
	}
	return nil
}

// retryLock is the mean pause before the next try for a lock that storage has refused at once.
const retryLock = time.Second

// Lock takes a lock, and returns a function that releases it. After the wait it returns without the lock: the lock of a
// killed node may stay for ever. So two nodes can be in one lock, which must cost no more than a call of Telegram.
// Until the lock is obtained again, this is logged only once.
//
// A lock that is refused while storage can be read counts as held by another node.
func (s *Storage) Lock(ctx context.Context, name string, wait time.Duration) (unlock func(context.Context), err error) {
	waiting, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	for {
		err := s.Module.Lock(waiting, name)
		if err == nil {
			s.Health.missed.Delete(name)
			return func(ctx context.Context) { s.unlock(ctx, name) }, nil
		}
		if waiting.Err() == nil {
			if unreadable := s.Prove(waiting, name+"/lock"); unreadable != nil && waiting.Err() == nil {
				return nil, fmt.Errorf("waiting for the lock in storage: %w", err)
			}
			select {
			case <-time.After(retryLock/2 + rand.N(retryLock)):
				continue
			case <-waiting.Done():
			}
		}
		if ctx.Err() != nil {
			return nil, fmt.Errorf("waiting for the lock in storage: %w", ctx.Err())
		}
		if _, logged := s.Health.missed.LoadOrStore(name, true); !logged {
			s.Logger.Warn("lock in storage held too long", zap.String("lock", name), zap.Duration("waited", wait))
		}
		return func(context.Context) {}, nil
	}
}

func (s *Storage) unlock(ctx context.Context, name string) {
	if err := s.Module.Unlock(ctx, name); err != nil {
		s.Logger.Error("lock in storage not released", zap.String("lock", name), zap.Error(err))
	}
}

// Health is the state of a process's storage. The zero value is that of an unused storage.
type Health struct {
	missed sync.Map // the names of the locks that were not obtained in time

	mu     sync.Mutex
	status Status
}

// Status describes storage.
type Status struct {
	ReadAt    time.Time // when a record was last read; zero for never
	WrittenAt time.Time // when a record was last written; zero for never
	AwaySince time.Time // since when no record can be read; zero if records can be read
}

// Status returns the status.
func (h *Health) Status() Status {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.status
}

// recordRead records the result of a reading. It logs the first failure, and the first success after it.
func (s *Storage) recordRead(err error) {
	s.Health.mu.Lock()
	defer s.Health.mu.Unlock()
	now, status := time.Now(), &s.Health.status
	switch {
	case err == nil:
		status.ReadAt = now
		if !status.AwaySince.IsZero() {
			s.Logger.Info("storage back", zap.Time("away_since", status.AwaySince))
			status.AwaySince = time.Time{}
		}
	case status.AwaySince.IsZero():
		status.AwaySince = now
		s.Logger.Error("storage away", zap.Error(err), zap.Time("last_read", status.ReadAt))
	}
}
