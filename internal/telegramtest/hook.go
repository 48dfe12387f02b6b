package telegramtest

import (
	"cmp"
	"container/list"
	"context"
	"crypto/tls"
	"slices"
	"time"

	"github.com/caddy-telegram/telegramwebhook/internal/telegram"
)

// hook is one registration of a webhook and what is under way for it. The
// sender's lock guards it.
type hook struct {
	s          *Sender
	w          Webhook
	target     telegram.Target
	tls        *tls.Config // nil for http
	ctx        context.Context
	cancel     context.CancelFunc
	max        int // connections
	generation int // of the host's address

	next   *list.Element // the first update that is not loaded
	queues map[int64]*queue
	lone   int64    // how many queues of a single update there were
	due    []*queue // those whose first update may be sent now, in order

	connections connections

	first410 time.Time // zero unless 410 was the last answer
}

// queue holds the loaded updates of a chat or user. While the first of them is
// under way or waits to be tried again, the others wait behind it.
type queue struct {
	id      int64
	updates []*list.Element
	due     time.Time // since when the first may be sent
}

// job is one try to deliver an update.
type job struct {
	queue   *queue
	element *list.Element
	update  *update
	try     int
	request []byte
	begin   time.Time
}

func newHook(s *Sender, w Webhook, t telegram.Target) *hook {
	h := &hook{
		s: s, w: w, target: t,
		max:         w.MaxConnections,
		next:        s.updates.Front(),
		queues:      make(map[int64]*queue),
		connections: newConnections(),
	}
	h.ctx, h.cancel = context.WithCancel(context.Background())
	if h.max == 0 {
		h.max = telegram.DefaultMaxConnections
	}
	if t.TLS {
		h.tls = tlsConfig(t.ServerName(), w.RootCAs, w.uploaded)
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
	h.connect()
	h.send()
}

// send hands the queues that are due to idle connections.
func (h *hook) send() {
	for c := &h.connections; len(h.due) > 0 && len(c.idle) > 0; {
		q := h.due[0]
		h.due = h.due[1:]
		e := q.updates[0]
		u := e.Value.(*update)
		request := h.target.Request(h.w.Secret, u.body)
		if request == nil {
			continue // too long for Telegram: the queue stays where it is
		}
		u.tries++
		conn := c.idle[0]
		c.idle = c.idle[1:]
		conn.assign(job{q, e, u, u.tries, request, time.Now()})
	}
}

// maxLoad is how many updates are loaded at a time.
const maxLoad = 1000

// load hands updates to their queues, until there are twice as many queues as
// there may be connections. It is because of this limit that many queues which
// wait to be tried again stall the others too.
func (h *hook) load() {
	now := h.s.opt.Now()
	for room := min(maxLoad, 2*h.max-len(h.queues)); h.next != nil && room > 0; {
		e := h.next
		h.next = e.Next()
		u := e.Value.(*update)
		if u.done {
			continue
		}
		if u.expired(now, 0) {
			h.s.stats.Expired++
			h.s.drop(e)
			continue
		}
		room--
		u.tries, u.retries, u.loaded = 0, telegram.Retries{}, now
		id := u.Queue
		if id == 0 {
			id = 1<<60 + h.lone
			h.lone++
		}
		q := h.queues[id]
		if q == nil {
			q = &queue{id: id}
			h.queues[id] = q
			h.setDue(q, now)
		}
		q.updates = append(q.updates, e)
	}
}

// setDue lets the first update of a queue be sent. The queue that has been due
// for longest comes first.
func (h *hook) setDue(q *queue, since time.Time) {
	q.due = since
	i, _ := slices.BinarySearchFunc(h.due, q, func(a, b *queue) int {
		return cmp.Or(a.due.Compare(b.due), cmp.Compare(a.id, b.id))
	})
	h.due = slices.Insert(h.due, i, q)
}

// drop removes an update for good.
func (s *Sender) drop(e *list.Element) {
	if s.hook != nil && s.hook.next == e {
		s.hook.next = e.Next()
	}
	s.bytes -= e.Value.(*update).size
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
		if goes = a.Keep && c.generation == h.generation; goes {
			h.connections.idle = append(h.connections.idle, c)
		} else {
			h.connections.open--
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
	now, q := h.s.opt.Now(), j.queue
	switch {
	case at.final():
		q.updates = q.updates[1:]
		if len(q.updates) == 0 {
			delete(h.queues, q.id)
			return
		}
		now = q.updates[0].Value.(*update).loaded
	case at.Pause > 0:
		h.s.wg.Go(func() { h.wait(j, at.Pause) })
		return
	}
	h.setDue(q, now)
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
	now := s.opt.Now()
	j.update.skew += max(0, pause-now.Sub(begin))
	h.setDue(j.queue, now)
	h.work()
}
