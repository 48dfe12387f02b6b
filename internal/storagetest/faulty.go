package storagetest

import (
	"context"
	"errors"
	"io/fs"
	"slices"
	"sync"
	"time"

	"github.com/caddyserver/certmagic"
)

// Faulty is a storage with faults on command: the storage as one node sees it.
type Faulty struct {
	certmagic.Storage
	mu    sync.Mutex
	fault func(op, key string) Fault
	locks map[string]*time.Timer // that end locks which expire while held
}

// Fault is what goes wrong with an operation. The zero value is nothing.
type Fault struct {
	Err     error         // it fails
	Done    bool          // it happens all the same
	Delay   time.Duration // it takes so long before that
	Content []byte        // a Load gives this back, as a torn replica would
	Age     time.Duration // a Load gives back what was there so long ago; over a Memory alone
	Expiry  time.Duration // a Lock is lost after that, though it is held
	Refuse  bool          // a Lock that is held is refused at once
}

// ErrHeld is the error of a lock that is refused at once.
var ErrHeld = errors.New("lock is held")

// errCut is what a storage over a network says whose error is not lost.
var errCut = errors.New("connection refused")

// Modes are the habits of storages that are met with, as a fault of Set each.
var Modes = map[string]func(op, key string) Fault{
	"away":                               func(string, string) Fault { return Fault{Err: errCut} },
	"hangs":                              func(string, string) Fault { return Fault{Delay: time.Hour} },
	"every error is not there":           func(string, string) Fault { return Fault{Err: fs.ErrNotExist} },
	"reads cut":                          Failing(fs.ErrNotExist, "load"),
	"reads 3 s old":                      func(string, string) Fault { return Fault{Age: 3 * time.Second} },
	"lock lost after 1 s":                func(string, string) Fault { return Fault{Expiry: time.Second} },
	"lock lost at once":                  func(string, string) Fault { return Fault{Expiry: 1} },
	"lock refused at once":               func(string, string) Fault { return Fault{Refuse: true} },
	"writes that fail and happen":        func(op, _ string) Fault { return failingWrite(op, true) },
	"writes that fail":                   func(op, _ string) Fault { return failingWrite(op, false) },
	"slow, and the lock is lost by then": func(string, string) Fault { return Fault{Delay: 700 * time.Millisecond, Expiry: time.Second} },
}

func failingWrite(op string, done bool) Fault {
	if op == "store" {
		return Fault{Err: errCut, Done: done}
	}
	return Fault{}
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
func NewFaulty(over certmagic.Storage) *Faulty {
	return &Faulty{Storage: over, locks: make(map[string]*time.Timer)}
}

// Set decides what goes wrong from now on, by operation (load, store, lock) and
// key; nil for nothing.
func (f *Faulty) Set(fault func(op, key string) Fault) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.fault = fault
}

// Fault returns what Set has set.
func (f *Faulty) Fault() func(op, key string) Fault {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.fault
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
	met := f.meet(ctx, "load", key)
	if met.Err != nil || met.Content != nil {
		return met.Content, met.Err
	}
	if met.Age > 0 {
		it, err := f.Storage.(*Memory).latest(key, time.Now().Add(-met.Age))
		return slices.Clone(it.content), err
	}
	return f.Storage.Load(ctx, key)
}

// Store satisfies certmagic.Storage.
func (f *Faulty) Store(ctx context.Context, key string, content []byte) error {
	met := f.meet(ctx, "store", key)
	if met.Err != nil && !met.Done {
		return met.Err
	}
	if err := f.Storage.Store(ctx, key, content); err != nil {
		return err
	}
	return met.Err
}

// Lock satisfies certmagic.Storage.
func (f *Faulty) Lock(ctx context.Context, name string) error {
	met := f.meet(ctx, "lock", name)
	if met.Err != nil {
		return met.Err
	}
	if met.Refuse {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, time.Nanosecond)
		defer cancel()
	}
	err := f.Storage.Lock(ctx, name)
	if met.Refuse && err != nil {
		return ErrHeld
	}
	if err == nil && met.Expiry > 0 {
		f.mu.Lock()
		defer f.mu.Unlock()
		f.locks[name] = time.AfterFunc(met.Expiry, func() { _ = f.Storage.Unlock(context.Background(), name) })
	}
	return err
}

// Unlock satisfies certmagic.Storage. One that was lost is another node's by now.
func (f *Faulty) Unlock(ctx context.Context, name string) error {
	f.mu.Lock()
	expiry := f.locks[name]
	delete(f.locks, name)
	f.mu.Unlock()
	if expiry != nil && !expiry.Stop() {
		return nil
	}
	return f.Storage.Unlock(ctx, name)
}
