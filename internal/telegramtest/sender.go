package telegramtest

import (
	"container/list"
	"context"
	"errors"
	"math/rand/v2"
	"net/netip"
	"sync"
	"time"

	"github.com/caddy-telegram/telegramwebhook/internal/telegram"
)

// Sender delivers updates to one bot's webhook.
type Sender struct {
	opt Options
	wg  sync.WaitGroup

	// onGone is told when 410 removed the webhook, outside of the lock.
	onGone func()

	// resolve asks DNS for the address of a webhook that resolves.
	resolve func(telegram.Target) (netip.Addr, error)

	mu      sync.Mutex
	changed *sync.Cond // something was queued or dropped, or the sender closed
	rand    *rand.Rand
	updates *list.List // of *update, in order of arrival; the hook holds some
	bytes   int        // of all updates
	tail    int64      // the id behind the last update's
	hook    *hook      // nil while there is no webhook
	stats   Stats
	closed  bool
}

// NewSender starts to deliver to w. Close ends it.
func NewSender(w Webhook, o Options) *Sender {
	s := &Sender{
		opt:     o.withDefaults(),
		rand:    rand.New(rand.NewPCG(o.Seed, o.Seed)),
		updates: list.New(),
	}
	s.changed = sync.NewCond(&s.mu)
	s.SetWebhook(w)
	return s
}

// SetWebhook registers w in place of what was registered, as setWebhook does
// when anything differs: the old connections are cut, requests under way on
// them included, and whatever has not been answered is delivered anew with a
// fresh schedule. A first connection is opened at once, even if there is nothing
// to deliver. An empty URL only removes.
func (s *Sender) SetWebhook(w Webhook) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return
	}
	s.stats.LastError, s.stats.LastErrorDate, s.stats.Gone = "", time.Time{}, false
	s.setHook(w)
}

func (s *Sender) setHook(w Webhook) {
	if s.hook != nil {
		s.hook.cancel()
		s.hook = nil
	}
	if t, err := telegram.ParseTarget(w.URL); err == nil {
		s.hook = newHook(s, w, t)
		s.hook.work()
		if w.resolves {
			s.wg.Go(s.hook.follow)
		}
	}
}

// What Telegram keeps of a bot's updates. Those that come on top are lost.
const (
	maxUpdates = 100_000
	maxBytes   = 128 << 20
)

// Send queues an update. The updates of a queue are delivered one after the other.
func (s *Sender) Send(update []byte) {
	s.queue(parseUpdate(update))
}

func (s *Sender) queue(u *update) {
	u.expiry = s.opt.Expiry(u.Type)

	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.closed:
		return
	case u.size > maxUpdate || len(u.body) > telegram.MaxUpdate:
		s.stats.TooLong++
		return
	case s.updates.Len() >= maxUpdates || s.bytes > maxBytes-u.size:
		s.stats.Dropped++
		return
	}
	u.since = u.Since(s.opt.Now())
	s.bytes += u.size
	s.tail = u.ID + 1
	e := s.updates.PushBack(u)
	s.changed.Broadcast()
	if s.hook != nil {
		s.hook.arrived(e)
	}
}

// Wait returns once everything queued has been delivered or has expired. What
// cannot be sent, for want of a webhook or because its URL is too long, keeps
// it waiting until ctx ends.
func (s *Sender) Wait(ctx context.Context) error {
	defer context.AfterFunc(ctx, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.changed.Broadcast()
	})()

	s.mu.Lock()
	defer s.mu.Unlock()
	for s.updates.Len() > 0 {
		if err := ctx.Err(); err != nil {
			return err
		}
		if s.closed {
			return errors.New("sender is closed")
		}
		s.changed.Wait()
	}
	return nil
}

// Stats returns the figures of this moment.
func (s *Sender) Stats() Stats {
	s.mu.Lock()
	defer s.mu.Unlock()
	stats := s.stats
	stats.Pending = s.updates.Len()
	return stats
}

// Close cuts every connection and returns when nothing runs any more. What is
// queued stays undelivered.
func (s *Sender) Close() {
	s.mu.Lock()
	s.closed = true
	s.setHook(Webhook{})
	s.changed.Broadcast()
	s.mu.Unlock()
	s.wg.Wait()
}
