package registrar

import (
	"context"
	"time"
)

// Running is a registrar at work.
type Running struct {
	*Registrar
	cancel context.CancelFunc
	done   chan struct{}
}

// Start makes a registrar speak for its bot, in the place of any older one of
// this process, and sets it to work in the background.
func Start(config Config) *Running {
	ctx, cancel := context.WithCancel(context.Background())
	r := &Running{Registrar: New(config), cancel: cancel, done: make(chan struct{})}
	config.Bot.Lead(r.Registrar)
	go func() {
		defer close(r.done)
		r.Run(ctx)
	}()
	return r
}

// Stop ends the work; another configuration takes it up.
func (r *Running) Stop() {
	r.Bot.Yield(r.Registrar)
	r.cancel()
}

// stopPatience is how long Wait waits: a little longer than a call may go on, so
// that no other node has to wait until a lock is stale.
const stopPatience = grace + time.Second

// Wait returns when nothing is being done any more, or when that takes too long.
func (r *Running) Wait() {
	select {
	case <-r.done:
	case <-time.After(stopPatience):
	}
}
