package storage

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"

	"go.uber.org/zap"
)

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
