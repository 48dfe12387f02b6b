package registrar

import (
	"context"
	"fmt"
	"time"

	"go.uber.org/zap"
)

// lockWait bounds the wait for the lock. A holder that was killed leaves one
// that goes stale, with file storage after 10 seconds; but another process that
// held it shortly before may keep it fresh for ever. Going on without it is
// better than waiting: at worst two nodes call setWebhook, with the same values.
const lockWait = 20 * time.Second

// lock takes the bot's lock and returns what gives it back, also when the
// context has ended by then.
func (r *Registrar) lock(ctx context.Context) (func(), error) {
	waiting, cancel := context.WithTimeout(ctx, lockWait)
	defer cancel()
	err := r.Storage.Lock(waiting, r.store.lock())
	switch {
	case err == nil:
		return func() { r.unlock(ctx) }, nil
	case waiting.Err() != nil && ctx.Err() == nil:
		r.Logger.Warn("lock in storage held too long; going on without it", zap.Duration("waited", lockWait))
		return func() {}, nil
	}
	return nil, fmt.Errorf("waiting for the lock in storage: %w", err)
}

func (r *Registrar) unlock(ctx context.Context) {
	ctx, cancel := beyond(ctx)
	defer cancel()
	if err := r.Storage.Unlock(ctx, r.store.lock()); err != nil {
		r.Logger.Error("lock in storage not released", zap.Error(err))
	}
}

// grace is how long what is being done may go on when a configuration ends.
const grace = 2 * time.Second

// beyond returns a context that outlasts another by a moment: a call of
// setWebhook is not broken off, of which nobody would know what it came to, and
// what it came to is written down.
func beyond(ctx context.Context) (context.Context, context.CancelFunc) {
	longer, cancel := context.WithCancel(context.WithoutCancel(ctx))
	stop := context.AfterFunc(ctx, func() { time.AfterFunc(grace, cancel) })
	return longer, func() { stop(); cancel() }
}
