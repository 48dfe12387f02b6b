// Package storagetest is storage for tests: in memory, and with faults on command.
package storagetest

import (
	"context"
	"io/fs"
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
	items map[string]item
	locks map[string]chan struct{}
}

type item struct {
	content  []byte
	modified time.Time
}

// NewMemory makes an empty storage.
func NewMemory() *Memory {
	return &Memory{items: make(map[string]item), locks: make(map[string]chan struct{})}
}

// Load satisfies certmagic.Storage.
func (m *Memory) Load(_ context.Context, key string) ([]byte, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	it, ok := m.items[key]
	if !ok {
		return nil, fs.ErrNotExist
	}
	return slices.Clone(it.content), nil
}

// Store satisfies certmagic.Storage.
func (m *Memory) Store(ctx context.Context, key string, content []byte) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := ctx.Err(); err != nil {
		return err
	}
	m.items[key] = item{slices.Clone(content), time.Now()}
	return nil
}

// Delete satisfies certmagic.Storage.
func (m *Memory) Delete(_ context.Context, key string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.items, key)
	return nil
}

// Exists satisfies certmagic.Storage.
func (m *Memory) Exists(_ context.Context, key string) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	_, ok := m.items[key]
	return ok
}

// List satisfies certmagic.Storage; it always lists recursively.
func (m *Memory) List(_ context.Context, prefix string, _ bool) (keys []string, _ error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for key := range m.items {
		if strings.HasPrefix(key, prefix) {
			keys = append(keys, key)
		}
	}
	slices.Sort(keys)
	return keys, nil
}

// Stat satisfies certmagic.Storage.
func (m *Memory) Stat(_ context.Context, key string) (certmagic.KeyInfo, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	it, ok := m.items[key]
	if !ok {
		return certmagic.KeyInfo{}, fs.ErrNotExist
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
