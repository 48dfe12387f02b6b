package telegramtest

import (
	"container/list"
	"context"
	"crypto/tls"
	"strconv"
	"time"

	"github.com/caddy-telegram/telegramwebhook/internal/telegram"
)

// hook is one registration of a webhook and what is under way for it. The
// sender's lock guards it.
type hook struct {
	s      *Sender
	w      Webhook
	target telegram.Target
	tls    *tls.Config // nil for http
	ctx    context.Context
	cancel context.CancelFunc
	max    int // connections

	next   *list.Element // the first update that is not loaded
	loaded int
	queues map[string]*queue
	lone   int      // how many queues of a single update there were
	ready  []*queue // those whose first update may be sent now
	idle   []*conn  // the one that was used longest ago first
	open   int      // connections, idle ones included

	first410 time.Time // zero unless 410 was the last answer
}

// queue holds the loaded updates of a chat or user. While the first of them is
// under way or waits to be tried again, the others wait behind it.
type queue struct {
	key     string
	updates []*list.Element
}

// job is one try to deliver an update.
type job struct {
	queue   *queue
	element *list.Element
	update  *update
	try     int
	request []byte
}

func newHook(s *Sender, w Webhook, t telegram.Target) *hook {
	h := &hook{
		s: s, w: w, target: t,
		max:    w.MaxConnections,
		next:   s.updates.Front(),
		queues: make(map[string]*queue),
	}
	h.ctx, h.cancel = context.WithCancel(context.Background())
	if h.max == 0 {
		h.max = telegram.DefaultMaxConnections
	}
	if t.TLS {
		h.tls = tlsConfig(t.ServerName(), w.RootCAs)
	}
	return h
}

// arrived takes note of an update at the end of the sender's list.
func (h *hook) arrived(e *list.Element) {
	if h.next == nil {
		h.next = e
	}
	h.work()
}

// work starts whatever can be started.
func (h *hook) work() {
	h.load()
	for len(h.ready) > 0 && (len(h.idle) > 0 || h.open < h.max) {
		q := h.ready[0]
		h.ready = h.ready[1:]
		e := q.updates[0]
		u := e.Value.(*update)
		request := h.target.Request(h.w.Secret, u.body)
		if request == nil {
			continue // too long for Telegram: the queue stays where it is
		}
		u.tries++
		j := job{q, e, u, u.tries, request}
		if len(h.idle) > 0 {
			c := h.idle[0]
			h.idle = h.idle[1:]
			c.assign(j)
			continue
		}
		h.open++
		h.s.stats.Connections++
		c := newConn(h, uint64(h.s.stats.Connections))
		h.s.wg.Go(func() { c.run(j) })
	}
}

// load hands updates to their queues, twice as many as there may be connections.
// It is because of this limit that many queues which wait to be tried again
// stall the others too.
func (h *hook) load() {
	for h.next != nil && h.loaded < 2*h.max {
		e := h.next
		h.next = e.Next()
		u := e.Value.(*update)
		if u.done {
			continue
		}
		if u.expired(h.s.opt.Now(), 0) {
			h.s.stats.Expired++
			h.s.drop(e)
			continue
		}
		u.tries, u.fails, u.delay = 0, 0, time.Second
		key := u.queue
		if key == "" {
			h.lone++
			key = "own " + strconv.Itoa(h.lone)
		}
		q := h.queues[key]
		if q == nil {
			q = &queue{key: key}
			h.queues[key] = q
			h.ready = append(h.ready, q)
		}
		q.updates = append(q.updates, e)
		h.loaded++
	}
}

// drop removes an update for good.
func (s *Sender) drop(e *list.Element) {
	if s.hook != nil && s.hook.next == e {
		s.hook.next = e.Next()
	}
	s.updates.Remove(e)
	s.changed.Broadcast()
}

// ended draws the conclusions from a try, and reports whether the connection
// goes on.
func (h *hook) ended(c *conn, j job, a *telegram.Answer) bool {
	s := h.s
	s.mu.Lock()
	at, gone := h.judge(j, a)
	s.mu.Unlock()

	at.Conn = c.id
	s.opt.OnAttempt(at)

	s.mu.Lock()
	if at.final() {
		s.drop(j.element)
	}
	if gone && s.hook == h {
		s.setHook(Webhook{})
		s.stats.LastError, s.stats.LastErrorDate, s.stats.Gone = "", time.Time{}, true
	} else {
		gone = false
	}
	goes := h.ctx.Err() == nil
	if goes {
		h.proceed(j, at)
		if goes = a.Keep; goes {
			h.idle = append(h.idle, c)
		} else {
			h.open--
		}
		h.work()
	}
	s.mu.Unlock()

	if gone && s.onGone != nil {
		s.onGone()
	}
	return goes
}

// proceed lets a queue go on after a try: with the next update, or with the
// same after a pause.
func (h *hook) proceed(j job, at Attempt) {
	q := j.queue
	if at.final() {
		h.loaded--
		q.updates = q.updates[1:]
		if len(q.updates) == 0 {
			delete(h.queues, q.key)
			return
		}
	} else if at.Pause > 0 {
		h.s.wg.Go(func() { h.wait(j, at.Pause) })
		return
	}
	h.ready = append(h.ready, q)
}

func (h *hook) wait(j job, pause time.Duration) {
	s := h.s
	begin := s.opt.Now()
	select {
	case <-s.opt.After(pause):
	case <-h.ctx.Done():
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if h.ctx.Err() != nil {
		return
	}
	j.update.skew += max(0, pause-s.opt.Now().Sub(begin))
	h.ready = append(h.ready, j.queue)
	h.work()
}
