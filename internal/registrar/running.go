package registrar

import (
	"context"
	"time"
)

// Running is a registrar at work.
type Running struct {
	*Registrar
	cancel context.CancelFunc
	done   chan struct{} // closed when nothing is being done any more
	late   chan struct{} // closed when that has taken too long since Stop
}

// Start makes a registrar speak for its bot, in the place of any older one of
// this process, and sets it to work in the background.
func Start(config Config, webhook Webhook) *Running {
	ctx, cancel := context.WithCancel(context.Background())
	r := &Running{Registrar: New(config, webhook), cancel: cancel, done: make(chan struct{}), late: make(chan struct{})}
	if before := config.Leadership.Lead(r.Registrar); before != nil {
		r.follow(before)
	}
	context.AfterFunc(ctx, func() { time.AfterFunc(stopPatience, func() { close(r.late) }) })
	go func() {
		defer close(r.done)
		r.Run(ctx)
	}()
	return r
}

// follow takes over what the registrar of the configuration before has seen, if
// all was well. It need not look again so soon: with many bots, each change of the
// configuration would ask Telegram for all of them at once.
func (r *Registrar) follow(before *Registrar) {
	if s := before.Status(); s.State == Registered && !s.InfoAt.IsZero() {
		r.status.Info, r.status.InfoAt = s.Info, s.InfoAt
		r.looked, r.follows = true, true
	}
}

// Suspect is Registrar.Suspect; nothing before there is a registrar.
func (r *Running) Suspect() {
	if r != nil {
		r.Registrar.Suspect()
	}
}

// Stop ends the work; another configuration takes it up.
func (r *Running) Stop() {
	if r != nil {
		r.Leadership.Yield(r.Registrar)
		r.cancel()
	}
}

// stopPatience is how long after Stop Wait waits: a little longer than a call may go
// on, so that no other node has to wait until a lock is stale.
const stopPatience = grace + time.Second

// Wait returns when nothing is being done any more after Stop, or when that takes
// too long. Those that were stopped together take no longer together.
func (r *Running) Wait() {
	if r == nil {
		return
	}
	select {
	case <-r.done:
	case <-r.late:
	}
}
