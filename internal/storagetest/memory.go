// Package storagetest is storage for tests: in memory, and with faults on command.
package storagetest

import (
	"context"
	"io/fs"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/caddyserver/certmagic"
)

// Memory is a storage in memory, with locks that a fake clock can wait for. As
// with one over a network, nothing is written or unlocked in a context that has
// ended.
type Memory struct {
	mu    sync.Mutex
	items map[string][]item // all that was ever written, the latest last
	locks map[string]chan struct{}
}

type item struct {
	content  []byte // nil for one that was deleted
	modified time.Time
}

// latest returns what is in storage, or was at that time.
func (m *Memory) latest(key string, at time.Time) (item, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, it := range slices.Backward(m.items[key]) {
		if it.modified.After(at) {
			continue
		}
		if it.content == nil {
			break
		}
		return it, nil
	}
	return item{}, fs.ErrNotExist
}

func (m *Memory) write(key string, content []byte) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.items[key] = append(m.items[key], item{content, time.Now()})
}

// NewMemory makes an empty storage.
func NewMemory() *Memory {
	return &Memory{items: make(map[string][]item), locks: make(map[string]chan struct{})}
}

// Load satisfies certmagic.Storage.
func (m *Memory) Load(_ context.Context, key string) ([]byte, error) {
	it, err := m.latest(key, time.Now())
	return slices.Clone(it.content), err
}

// Store satisfies certmagic.Storage.
func (m *Memory) Store(ctx context.Context, key string, content []byte) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	m.write(key, append([]byte{}, content...))
	return nil
}

// Delete satisfies certmagic.Storage.
func (m *Memory) Delete(_ context.Context, key string) error {
	m.write(key, nil)
	return nil
}

// Exists satisfies certmagic.Storage.
func (m *Memory) Exists(_ context.Context, key string) bool {
	_, err := m.latest(key, time.Now())
	return err == nil
}

// List satisfies certmagic.Storage; it always lists recursively.
func (m *Memory) List(ctx context.Context, prefix string, _ bool) (keys []string, _ error) {
	m.mu.Lock()
	all := slices.Sorted(maps.Keys(m.items))
	m.mu.Unlock()
	for _, key := range all {
		if strings.HasPrefix(key, prefix) && m.Exists(ctx, key) {
			keys = append(keys, key)
		}
	}
	return keys, nil
}

// Stat satisfies certmagic.Storage.
func (m *Memory) Stat(_ context.Context, key string) (certmagic.KeyInfo, error) {
	it, err := m.latest(key, time.Now())
	if err != nil {
		return certmagic.KeyInfo{}, err
	}
	return certmagic.KeyInfo{Key: key, Modified: it.modified, Size: int64(len(it.content)), IsTerminal: true}, nil
}

// Lock satisfies certmagic.Storage.
func (m *Memory) Lock(ctx context.Context, name string) error {
	m.mu.Lock()
	lock, ok := m.locks[name]
	if !ok {
		lock = make(chan struct{}, 1)
		m.locks[name] = lock
	}
	m.mu.Unlock()
	select {
	case lock <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Unlock satisfies certmagic.Storage.
func (m *Memory) Unlock(ctx context.Context, name string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := ctx.Err(); err != nil {
		return err
	}
	<-m.locks[name]
	return nil
}
