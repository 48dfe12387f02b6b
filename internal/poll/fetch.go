package poll

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/caddy-telegram/telegramwebhook/internal/botapi"
)

const (
	// pollInterval is how far apart calls are while updates are in work: getUpdates
	// returns them again, at once. Below it Telegram returns one update at a time.
	pollInterval = 500 * time.Millisecond

	// webhookInterval is between looks at a webhook that is in the way.
	webhookInterval = 30 * time.Second

	// conflictTime is how long a conflict is not over. Both sides get some of the updates,
	// and the other side may be a poller like this one, with pauses as long.
	conflictTime = botapi.MaxBackoff * 6 / 5

	grace = 2 * time.Second // for what is to be done after Stop
)

// obstacle is why nothing can be fetched: a webhook, or somebody else who fetches.
type obstacle struct {
	error
	remedy string
}

// fetch makes an attempt, reports what has come of it, and waits for the next. After Stop
// it waits for the end of a delivery.
func (p *Poller) fetch() {
	ctx, c, serving := p.beginAttempt()
	progress, pause := p.progress, (<-chan time.Time)(nil)
	if serving {
		wait, err := p.attempt(ctx, c)
		if ctx.Err() != nil {
			return
		}
		if err != nil {
			wait, progress = p.fail(c, err), nil
		}
		pause = time.After(wait)
	}
	select {
	case <-pause:
	case <-progress:
	case <-ctx.Done():
	}
}

// beginAttempt returns the context of an attempt and the configuration that it works for.
func (p *Poller) beginAttempt() (ctx context.Context, c Config, serving bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.interrupt() // releases the attempt before
	ctx, p.interrupt = context.WithCancel(context.Background())
	return ctx, p.config, p.serving
}

// attempt fetches updates once, if that is for this process. It returns when to make the
// next attempt, unless there is progress before.
func (p *Poller) attempt(ctx context.Context, c Config) (pause time.Duration, err error) {
	if !p.lease.held.Load() {
		holder, err := p.look(ctx, c)
		if err != nil {
			return 0, err
		}
		if holder != "" {
			p.report(c, Status{State: Standby, LeaseHolder: holder})
			return botapi.Jitter(leaseInterval), nil
		}
	}
	call := p.nextCall(c)
	begin := time.Now()
	fetched, err := c.API.GetUpdates(ctx, call)
	if err != nil {
		return 0, p.examine(ctx, c, err)
	}
	p.confirmed = call.Offset
	p.add(fetched)
	if !p.isContested() {
		p.backoff = 0
		p.report(c, Status{State: Polling})
	}
	if len(fetched) == 0 && time.Since(begin) >= pollInterval {
		return 0, nil
	}
	return pollInterval, nil
}

// nextCall returns the call that confirms what was taken and fetches more.
func (p *Poller) nextCall(c Config) botapi.Poll {
	p.mu.Lock()
	defer p.mu.Unlock()
	select {
	case <-p.progress:
	default:
	}
	p.dropTaken()
	call := botapi.Poll{Offset: p.offset, Limit: maxWindow, AllowedUpdates: c.AllowedUpdates}
	switch {
	case len(p.window) == maxWindow:
		call.Limit = 1 // no others come
	case len(p.window) == 0 && (p.status.State == Polling || p.isContested()):
		call.Timeout = botapi.LongPoll // otherwise the answer at once shows that all is well again
	}
	return call
}

func (p *Poller) isContested() bool { return time.Since(p.conflictAt) <= conflictTime }

// examine finds out more about an error of getUpdates. A conflict may be with a process
// that has taken the lease, with a webhook, or with another program.
func (p *Poller) examine(ctx context.Context, c Config, err error) error {
	if refusal, ok := errors.AsType[*botapi.Error](err); !ok || refusal.Code != http.StatusConflict {
		return err
	}
	holder, leaseErr := p.look(ctx, c)
	if holder != "" {
		return nil // the next attempt finds the same, and reports it
	}
	if leaseErr != nil { // another process may have taken it meanwhile
		p.lease.held.Store(false)
	}
	if info, err := c.API.GetWebhookInfo(ctx); err == nil && info.URL != "" {
		p.forget() // the webhook gets what was not taken
		return obstacle{fmt.Errorf("updates go to the webhook %s, so they cannot be fetched", info.URL), webhookRemedy}
	}
	p.conflictAt = time.Now()
	return obstacle{err, conflictRemedy}
}

// fail reports an error, and returns how long to wait after it.
func (p *Poller) fail(c Config, err error) time.Duration {
	remedy, lasting := botapi.Remedy(err)
	if o, ok := errors.AsType[obstacle](err); ok {
		remedy, err = o.remedy, o.error
	}
	p.report(c, Status{State: Failing, Detail: err.Error(), Remedy: remedy})
	if remedy == webhookRemedy {
		return botapi.Jitter(webhookInterval)
	}
	return p.backoff.After(err, lasting)
}

// confirm confirms what was taken since the last call, so that nobody gets it again.
func (p *Poller) confirm() {
	if p.offset == p.confirmed || !p.lease.held.Load() {
		return
	}
	c := p.currentConfig()
	ctx, cancel := context.WithTimeout(context.Background(), grace)
	defer cancel()
	if _, err := c.API.GetUpdates(ctx, botapi.Poll{Offset: p.offset, Limit: 1, AllowedUpdates: c.AllowedUpdates}); err == nil {
		p.confirmed = p.offset
	}
}
