package telegramtest

import (
	"container/list"
	"context"
	"errors"
	"math/rand/v2"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/caddy-telegram/telegramwebhook/internal/telegram"
)

// Options say how a Sender keeps time and reaches the webhook. The zero value
// behaves as Telegram does.
type Options struct {
	// After is the clock of the retry schedule. Default time.After. With a
	// faster one an update still expires by the schedule's time.
	After func(time.Duration) <-chan time.Time

	// Now dates errors and measures an update's age. Default time.Now.
	Now func() time.Time

	// Dial opens the raw connection; network is "tcp4". Default a net.Dialer.
	Dial telegram.Dial

	// OnAttempt is told about each attempt after it ended and before what
	// follows from it: the next try, or the next update of the queue. It is
	// called from many goroutines and must not call Close.
	OnAttempt func(Attempt)

	// ReadTimeout is how long a connection and the whole answer may take. Default
	// 60 s.
	ReadTimeout time.Duration

	// IdleTimeout is when a connection that is not used is closed. Default 60 s.
	IdleTimeout time.Duration

	// Expiry is how long an update of a type is tried. Default 24 h, 30 s for
	// inline queries, 150 s for callback, shipping and pre-checkout queries.
	Expiry func(kind string) time.Duration

	// Seed chooses the random pauses of 60 to 120 s.
	Seed uint64
}

func (o Options) withDefaults() Options {
	if o.After == nil {
		o.After = time.After
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Dial == nil {
		o.Dial = new(net.Dialer).DialContext
	}
	if o.OnAttempt == nil {
		o.OnAttempt = func(Attempt) {}
	}
	if o.ReadTimeout == 0 {
		o.ReadTimeout = telegram.Timeout
	}
	if o.IdleTimeout == 0 {
		o.IdleTimeout = time.Minute
	}
	if o.Expiry == nil {
		o.Expiry = expiryOf
	}
	return o
}

// Attempt is one try to deliver an update.
type Attempt struct {
	UpdateID int64
	Try      int    // 1 for the first since the webhook was registered
	Conn     uint64 // number of the connection, in order of opening

	Status int // 0 when there was no answer that could be read
	Reason string
	Header http.Header
	Body   []byte // decoded, the first 1 MiB

	// Err is why there is no Status, or what was wrong with the answer.
	Err error

	Pause     time.Duration // until the next try; 0 is at once
	Delivered bool
	Expired   bool        // given up, there is no next try
	Call      *MethodCall // what the answer asked Telegram to do, if anything
}

// final reports whether the update is not tried again.
func (a Attempt) final() bool { return a.Delivered || a.Expired }

// Stats is what a Sender has done since it was made.
type Stats struct {
	Delivered   int
	Failed      int // attempts that did not deliver
	Expired     int
	TooLong     int // updates over Telegram's limit, dropped unseen
	Pending     int // queued or under way
	Connections int // opened
	Calls       int // Bot API calls in answers

	// LastError and its date stay after later successes, until the webhook is
	// set again.
	LastError     string
	LastErrorDate time.Time

	// Gone says that Telegram removed the webhook after 23 h of 410.
	Gone bool
}

// Sender delivers updates to one bot's webhook.
type Sender struct {
	opt Options
	wg  sync.WaitGroup

	// onGone is told when 410 removed the webhook, outside of the lock.
	onGone func()

	mu      sync.Mutex
	changed *sync.Cond // something was queued or dropped, or the sender closed
	rand    *rand.Rand
	updates *list.List // of *update, in order of arrival; the hook holds some
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
// fresh schedule. An empty URL only removes.
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
	}
}

// Send queues an update. Its queue is its chat, or its user for queries: the
// updates of a queue are delivered one after the other.
func (s *Sender) Send(update []byte) {
	s.queue(parseUpdate(update))
}

func (s *Sender) queue(u *update) {
	u.expiry = s.opt.Expiry(u.kind)

	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.closed:
		return
	case len(u.body) > telegram.MaxUpdate:
		s.stats.TooLong++
		return
	}
	u.queuedAt = s.opt.Now()
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
