package telegramtest

import "time"

// activeFor is how long after a success Telegram opens more than one connection.
const activeFor = 10 * time.Second

// connections decides when a hook opens a connection. The sender's lock guards it.
type connections struct {
	idle    []*conn // the one that was used longest ago first; some are not open yet
	open    int     // all of them
	checked bool    // the first one was made, which happens when the webhook is set

	lastSuccess time.Time
	active      flood // limits new connections within activeFor of a success
	pending     flood // and at other times

	next time.Time // when a connection may be made that was put off, zero if there is none
	// skew is by how much the pauses were longer than on the clock.
	skew time.Duration
}

func newConnections() connections {
	return connections{active: newFlood(10, 500*time.Millisecond), pending: newFlood(1, 2*time.Second)}
}

// connect opens as many connections as the queues need. A webhook that takes
// nothing gets a single one, and one that does has a spare one.
func (h *hook) connect() {
	c, now := &h.connections, h.s.opt.Now()
	need, limit := min(len(h.queues), h.max), &c.active
	if !c.checked {
		need = 1
	}
	if now.Sub(c.lastSuccess) > activeFor {
		need, limit = min(need, 1), &c.pending
	} else {
		need = max(need, 1)
	}
	for now = now.Add(c.skew); c.open < need; c.checked = true {
		if limit.next.After(now) {
			h.connectAt(limit.next, limit.next.Sub(now))
			return
		}
		limit.add(now)
		c.open++
		h.s.stats.Connections++
		conn := newConn(h, uint64(h.s.stats.Connections))
		c.idle = append(c.idle, conn)
		h.s.wg.Go(conn.run)
	}
}

// connectAt tries again after a pause, unless that happens earlier anyway.
func (h *hook) connectAt(at time.Time, pause time.Duration) {
	c, s := &h.connections, h.s
	if !c.next.IsZero() && !at.Before(c.next) {
		return
	}
	c.next = at
	s.wg.Go(func() {
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
		c.skew = max(c.skew, at.Sub(s.opt.Now()))
		if c.next.Equal(at) {
			c.next = time.Time{}
		}
		h.work()
	})
}

// flood allows a number of events at once, and from then on so many in a time.
type flood struct {
	interval time.Duration
	most     time.Duration // that can be saved up
	saved    time.Duration
	at       time.Time
	next     time.Time // when an event is allowed again
}

func newFlood(count int, while time.Duration) flood {
	interval := while / time.Duration(count)
	most := while - interval
	return flood{interval: interval, most: most, saved: most}
}

func (f *flood) add(now time.Time) {
	f.saved += min(f.most-f.saved, now.Sub(f.at))
	f.at = now
	if f.saved >= f.interval {
		f.saved -= f.interval
		return
	}
	f.at = now.Add(f.interval - f.saved)
	f.saved, f.next = 0, f.at
}
