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

// webhookError is a webhook that is set, so that nothing can be fetched.
type webhookError struct{ url string }

func (e webhookError) Error() string {
	return fmt.Sprintf("updates go to the webhook %s, so they cannot be fetched", e.url)
}

// conflictError is a call that ended because somebody else made one.
type conflictError struct{ error }

func (e conflictError) Unwrap() error { return e.error }

// fetch makes an attempt, reports what has come of it, and waits for the next.
func (p *Poller) fetch(ctx context.Context) {
	ctx, c := p.beginAttempt(ctx)
	pause, err := p.attempt(ctx, c)
	if ctx.Err() != nil {
		return
	}
	progress := p.progress
	if err != nil {
		pause, progress = p.fail(c, err), nil
	}
	select {
	case <-time.After(pause):
	case <-progress:
	case <-ctx.Done():
	}
}

// beginAttempt returns the context of an attempt and the configuration that it works for.
func (p *Poller) beginAttempt(ctx context.Context) (context.Context, Config) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.interrupt() // releases the attempt before
	ctx, p.interrupt = context.WithCancel(ctx)
	return ctx, p.config
}

// endAttempt ends the attempt under way, and the next one begins.
func (p *Poller) endAttempt() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.interrupt()
}

// attempt fetches updates once, if that is for this process and no webhook is set. It
// returns when to make the next attempt, unless there is progress before.
func (p *Poller) attempt(ctx context.Context, c Config) (pause time.Duration, err error) {
	defer catchPanic(c.Logger, &err)
	if !p.lease.held.Load() {
		holder, err := p.look(ctx, c)
		if err != nil {
			return 0, err
		}
		if holder != "" {
			p.report(c, Status{State: Standby, LeaseHolder: holder})
			return botapi.Jitter(leaseInterval), nil
		}
		p.noWebhook = false
	}
	if err := p.lookForWebhook(ctx, c); err != nil {
		return 0, err
	}
	call := botapi.Poll{Limit: 1, AllowedUpdates: c.AllowedUpdates}
	inWindow := p.confirmable()
	call.Offset = p.offset
	if inWindow < maxWindow {
		call.Limit = maxWindow
	}
	if inWindow == 0 && p.healthy { // otherwise the answer at once shows that all is well again
		call.Timeout = botapi.LongPoll
	}
	begin := time.Now()
	fetched, err := c.API.GetUpdates(ctx, call)
	if err != nil {
		return 0, p.examine(ctx, c, err)
	}
	p.confirmed, p.healthy = call.Offset, true
	p.add(fetched)
	if time.Since(p.conflictAt) > conflictTime {
		p.backoff = 0
		p.report(c, Status{State: Polling})
	}
	if len(fetched) == 0 && time.Since(begin) >= pollInterval {
		return 0, nil
	}
	return pollInterval, nil
}

// lookForWebhook asks Telegram whether a webhook is set, unless that is known. What was
// not taken is then left to it.
func (p *Poller) lookForWebhook(ctx context.Context, c Config) error {
	if p.noWebhook {
		return nil
	}
	info, err := c.API.GetWebhookInfo(ctx)
	if err != nil {
		return err
	}
	if info.URL != "" {
		p.forget()
		return webhookError{info.URL}
	}
	p.noWebhook = true
	return nil
}

// examine finds out more about an error of getUpdates: whether another process has the
// lease, or a webhook is set.
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
	p.noWebhook = false
	if webhook, ok := errors.AsType[webhookError](p.lookForWebhook(ctx, c)); ok {
		return webhook
	}
	p.conflictAt = time.Now()
	return conflictError{err}
}

// fail reports an error, and returns how long to wait after it.
func (p *Poller) fail(c Config, err error) time.Duration {
	_, inTheWay := errors.AsType[webhookError](err)
	_, p.healthy = errors.AsType[conflictError](err)
	remedy, lasting := botapi.Remedy(err)
	switch {
	case inTheWay:
		remedy = webhookRemedy
	case p.healthy:
		remedy = conflictRemedy
	}
	p.report(c, Status{State: Failing, Detail: err.Error(), Remedy: remedy})
	if inTheWay {
		return botapi.Jitter(webhookInterval)
	}
	return p.backoff.After(err, lasting)
}

// confirm confirms what was taken since the last call, so that nobody gets it again.
func (p *Poller) confirm() {
	p.confirmable()
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
