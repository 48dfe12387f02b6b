package storage

import (
	"errors"
	"io/fs"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/caddy-telegram/telegramwebhook/internal/storagetest"
)

const key = "telegram_webhook/1/secret.json"

func newStorage(module *storagetest.Faulty) (*Storage, *observer.ObservedLogs) {
	core, logs := observer.New(zap.InfoLevel)
	return &Storage{Module: module, Health: new(Health), Logger: zap.New(core)}, logs
}

func TestFind(t *testing.T) {
	cut := errors.New("connection refused")
	for name, tc := range map[string]struct {
		content string
		fault   func(op, key string) storagetest.Fault
		found   bool
		err     error
	}{
		"there":                      {"content", nil, true, nil},
		"empty":                      {"", nil, true, nil},
		"not there":                  {"-", nil, false, nil},
		"away":                       {"content", storagetest.Failing(cut, "load"), false, cut},
		"not there, though it is":    {"content", storagetest.Failing(fs.ErrNotExist, "load"), false, fs.ErrNotExist},
		"not there, and nothing is":  {"content", storagetest.Failing(fs.ErrNotExist, "load", "store"), false, fs.ErrNotExist},
		"not there in an old answer": {"-", storagetest.Modes["reads 3 s old"], false, fs.ErrNotExist},
		"takes nothing":              {"-", storagetest.Failing(cut, "store"), false, cut},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				module := storagetest.NewFaulty(storagetest.NewMemory())
				s, _ := newStorage(module)
				if tc.content != "-" {
					_ = s.Store(t.Context(), key, []byte(tc.content))
				}
				time.Sleep(time.Minute)
				module.Set(tc.fault)
				content, err := s.Find(t.Context(), key)
				if (content != nil) != tc.found || !errors.Is(err, tc.err) {
					t.Errorf("got %q and %v, want found: %v, and %v", content, err, tc.found, tc.err)
				}
				module.Set(nil)
				if keys, _ := module.List(t.Context(), "telegram_webhook", true); len(keys) > 1 || len(keys) == 1 && keys[0] != key {
					t.Errorf("left behind: %v", keys)
				}
			})
		})
	}
}

func TestHealth(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		module := storagetest.NewFaulty(storagetest.NewMemory())
		s, logs := newStorage(module)
		_ = s.Store(t.Context(), key, []byte("content"))
		time.Sleep(time.Minute)
		module.Set(storagetest.Modes["away"])
		since := time.Now()
		for range 3 {
			_, _ = s.Load(t.Context(), key)
			time.Sleep(time.Minute)
		}
		if got := s.Health.Status(); !got.AwaySince.Equal(since) || got.WrittenAt.IsZero() || !got.ReadAt.IsZero() {
			t.Errorf("away since %s, want %s; written %s, read %s", got.AwaySince, since, got.WrittenAt, got.ReadAt)
		}
		module.Set(nil)
		_, _ = s.Load(t.Context(), key)
		if got := s.Health.Status(); !got.AwaySince.IsZero() || got.ReadAt.IsZero() {
			t.Errorf("still away, or not read: %+v", got)
		}
		if logs.FilterMessage("storage away").Len() != 1 || logs.FilterMessage("storage back").Len() != 1 {
			t.Errorf("logged: %v", logs.All())
		}
	})
}

// TestLock waits for a lock that another node holds, whether storage waits or refuses it,
// and goes on without one whose holder is gone. An error of a storage that is away is told.
func TestLock(t *testing.T) {
	for name, fault := range map[string]func(op, key string) storagetest.Fault{
		"waits":   nil,
		"refuses": storagetest.Modes["lock refused at once"],
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				module := storagetest.NewFaulty(storagetest.NewMemory())
				s, logs := newStorage(module)
				module.Set(fault)
				unlock, err := s.Lock(t.Context(), "telegram_webhook/1", time.Minute)
				if err != nil {
					t.Fatal(err)
				}
				time.AfterFunc(10*time.Second, func() { unlock(t.Context()) })
				start := time.Now()
				second, err := s.Lock(t.Context(), "telegram_webhook/1", time.Minute)
				if waited := time.Since(start); err != nil || waited < 10*time.Second || waited > 12*time.Second {
					t.Errorf("got %v after %s, want the lock after 10 s", err, waited)
				}
				start = time.Now()
				third, err := s.Lock(t.Context(), "telegram_webhook/1", 20*time.Second)
				if waited := time.Since(start); err != nil || waited < 20*time.Second || waited > 21*time.Second {
					t.Errorf("got %v after %s, want to go on without the lock after 20 s", err, waited)
				}
				_, _ = s.Lock(t.Context(), "telegram_webhook/1", time.Second) // which is not news
				if logs.FilterMessage("lock in storage held too long").Len() != 1 {
					t.Errorf("logged: %v", logs.All())
				}
				third(t.Context())
				second(t.Context())
			})
		})
	}
	t.Run("away", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			module := storagetest.NewFaulty(storagetest.NewMemory())
			s, _ := newStorage(module)
			module.Set(storagetest.Modes["every error is not there"])
			start := time.Now()
			if _, err := s.Lock(t.Context(), "telegram_webhook/1", time.Minute); err == nil || time.Since(start) > 0 {
				t.Errorf("got %v after %s, want an error at once", err, time.Since(start))
			}
		})
	})
}
