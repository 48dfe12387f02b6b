package storagetest

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/caddyserver/certmagic"
)

// Faulty is a storage with faults on command.
type Faulty struct {
	certmagic.Storage
	mu    sync.Mutex
	fault func(op, key string) Fault
}

// Fault is what goes wrong with an operation. The zero value is nothing.
type Fault struct {
	Err     error         // it fails
	Delay   time.Duration // it takes so long before that
	Content []byte        // a Load gives this back, as a stale or torn replica would
}

// Failing makes the operations of those names fail.
func Failing(err error, ops ...string) func(op, key string) Fault {
	return func(op, _ string) Fault {
		if slices.Contains(ops, op) {
			return Fault{Err: err}
		}
		return Fault{}
	}
}

// NewFaulty makes a storage without faults over another one.
func NewFaulty(over certmagic.Storage) *Faulty { return &Faulty{Storage: over} }

// Set decides what goes wrong from now on, by operation (load, store, lock) and
// key; nil for nothing.
func (f *Faulty) Set(fault func(op, key string) Fault) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.fault = fault
}

func (f *Faulty) meet(ctx context.Context, op, key string) Fault {
	f.mu.Lock()
	fault := f.fault
	f.mu.Unlock()
	if fault == nil {
		return Fault{}
	}
	met := fault(op, key)
	if met.Delay > 0 {
		select {
		case <-time.After(met.Delay):
		case <-ctx.Done():
			met.Err = ctx.Err()
		}
	}
	return met
}

// Load satisfies certmagic.Storage.
func (f *Faulty) Load(ctx context.Context, key string) ([]byte, error) {
	if met := f.meet(ctx, "load", key); met.Err != nil || met.Content != nil {
		return met.Content, met.Err
	}
	return f.Storage.Load(ctx, key)
}

// Store satisfies certmagic.Storage.
func (f *Faulty) Store(ctx context.Context, key string, content []byte) error {
	if met := f.meet(ctx, "store", key); met.Err != nil {
		return met.Err
	}
	return f.Storage.Store(ctx, key, content)
}

// Lock satisfies certmagic.Storage.
func (f *Faulty) Lock(ctx context.Context, name string) error {
	if met := f.meet(ctx, "lock", name); met.Err != nil {
		return met.Err
	}
	return f.Storage.Lock(ctx, name)
}
