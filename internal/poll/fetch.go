package poll

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/caddy-telegram/telegramwebhook/internal/botapi"
	"github.com/caddy-telegram/telegramwebhook/internal/status"
)

const (
	// pollInterval is the time between calls while updates wait: getUpdates returns these
	// again at once. At a shorter interval Telegram returns one update at a time.
	pollInterval = 500 * time.Millisecond

	// webhookInterval is the time between calls while a webhook prevents them.
	webhookInterval = 30 * time.Second

	// conflictTime is how long a conflict counts. Both sides get some of the updates, and
	// the other side may be a poller with pauses as long as this one's.
	conflictTime = botapi.MaxBackoff * 6 / 5

	grace = 2 * time.Second // for calls after Stop
)

// obstacle is an error due to a webhook, or to another program that fetches.
type obstacle struct {
	error
	remedy string
}

// fetch makes an attempt, reports it, and waits for the next. After Stop it waits for the end of a delivery.
func (p *Poller) fetch() {
	ctx, cancel := context.WithCancel(context.Background())
	p.mu.Lock()
	p.interrupt() // releases the previous attempt's context
	p.interrupt = cancel
	c, serving := p.config, p.serving
	p.mu.Unlock()

	progress, pause := p.progress, (<-chan time.Time)(nil)
	if serving {
		wait, stale, err := p.attempt(ctx, c)
		if ctx.Err() != nil {
			return
		}
		if err != nil {
			wait = p.fail(c, err)
		}
		if err != nil || stale {
			progress = nil
		}
		pause = time.After(wait)
	}
	select {
	case <-pause:
	case <-progress:
	case <-ctx.Done():
	}
}

// attempt fetches updates once, if this process has the lease. It returns the time until the
// next attempt, which progress shortens unless the answer was stale: a server that ignores the
// offset returns the confirmed updates at once, for ever.
func (p *Poller) attempt(ctx context.Context, c Config) (pause time.Duration, stale bool, err error) {
	if !p.lease.held.Load() {
		holder, err := p.takeLease(ctx, c)
		if err != nil {
			return 0, false, err
		}
		if holder != "" {
			p.report(c, Status{State: status.Standby, LeaseHolder: holder})
			return botapi.Jitter(leaseInterval), false, nil
		}
	}
	call := p.nextCall(c)
	begin := time.Now()
	fetched, err := c.API.GetUpdates(ctx, call)
	if err != nil {
		return 0, false, p.examine(ctx, c, err)
	}
	p.confirmed = call.Offset
	stale = p.add(fetched)
	if !p.isContested() {
		p.backoff = 0
		p.report(c, Status{State: status.Polling})
	}
	if len(fetched) == 0 && time.Since(begin) >= pollInterval {
		return 0, false, nil
	}
	return pollInterval, stale, nil
}

// nextCall returns the call that confirms the taken updates and fetches more.
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
		call.Limit = 1 // Telegram returns no others
	case len(p.window) == 0 && (p.status.State == status.Polling || p.isContested()):
		call.Timeout = botapi.LongPoll // a first call is short, to report success at once
	}
	return call
}

func (p *Poller) isContested() bool { return time.Since(p.conflictAt) <= conflictTime }

// examine finds the cause of a conflict: a process that has taken the lease, a webhook, or
// another program. It returns other errors unchanged.
func (p *Poller) examine(ctx context.Context, c Config, err error) error {
	if refusal, ok := errors.AsType[*botapi.Error](err); !ok || refusal.Code != http.StatusConflict {
		return err
	}
	holder, leaseErr := p.takeLease(ctx, c)
	if holder != "" {
		return nil // reported by the next attempt
	}
	if leaseErr != nil { // another process may have taken the lease
		p.lease.held.Store(false)
	}
	if info, err := c.API.GetWebhookInfo(ctx); err == nil && info.URL != "" {
		p.forget() // the webhook gets the updates that were not taken
		return obstacle{fmt.Errorf("updates go to the webhook %s, so they cannot be fetched", info.URL), webhookRemedy}
	}
	p.conflictAt = time.Now()
	return obstacle{err, conflictRemedy}
}

// fail reports an error, and returns the time until the next attempt.
func (p *Poller) fail(c Config, err error) time.Duration {
	remedy, lasting := botapi.Remedy(err)
	if o, ok := errors.AsType[obstacle](err); ok {
		remedy, err = o.remedy, o.error
	}
	p.report(c, Status{State: status.Failing, Detail: err.Error(), Remedy: remedy})
	if remedy == webhookRemedy {
		return botapi.Jitter(webhookInterval)
	}
	return p.backoff.After(err, lasting)
}

// confirm confirms the updates taken since the last call, so that they are not sent again.
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
