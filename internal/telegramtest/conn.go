package telegramtest

import (
	"bufio"
	"context"
	"errors"
	"slices"
	"time"

	"github.com/caddy-telegram/telegramwebhook/internal/telegram"
)

// conn is a persistent connection to a webhook with at most one request under
// way. One goroutine runs it from its first try to its end.
type conn struct {
	h    *hook
	id   uint64
	wc   *telegram.Conn // nil until the first try
	stop func() bool    // ends the watch for a new registration

	job  *job          // assigned while idle; the sender's lock guards it
	wake chan struct{} // holds a value when a job was assigned
}

func newConn(h *hook, id uint64) *conn {
	return &conn{h: h, id: id, wake: make(chan struct{}, 1)}
}

// run makes one try after the other until the connection ends.
func (c *conn) run(j job) {
	for {
		a := c.try(j)
		if a.Keep {
			c.wc.SetReadDeadline(time.Now().Add(c.h.s.opt.IdleTimeout))
		} else {
			c.close()
		}
		if !c.h.ended(c, j, a) {
			break
		}
		next := c.rest()
		if next == nil {
			break
		}
		j = *next
	}
	c.close()
}

func (c *conn) close() {
	if c.wc != nil {
		c.stop()
		_ = c.wc.Close()
	}
}

// try writes a request and reads its answer.
func (c *conn) try(j job) *telegram.Answer {
	deadline := time.Now().Add(c.h.s.opt.ReadTimeout)
	if c.wc == nil {
		if err := c.open(deadline); err != nil {
			return &telegram.Answer{Err: err}
		}
	}
	return c.wc.Exchange(j.request, deadline)
}

// open connects. A new registration cuts the connection.
func (c *conn) open(deadline time.Time) error {
	ctx, cancel := context.WithDeadline(c.h.ctx, deadline)
	defer cancel()
	wc, err := telegram.Open(ctx, c.h.s.opt.Dial, c.h.target.Address(c.h.w.IPAddress), c.h.tls)
	if err != nil {
		return err
	}
	c.wc, c.stop = wc, context.AfterFunc(c.h.ctx, func() { _ = wc.Conn.Close() })
	return nil
}

// assign gives an idle connection something to do. The sender's lock is held.
func (c *conn) assign(j job) {
	c.job = &j
	c.wake <- struct{}{}
	c.wc.SetReadDeadline(time.Unix(1, 0)) // interrupts rest
}

// rest waits for the next job while it watches for the peer to close. It
// returns nil when the connection has ended. Bytes that come meanwhile stay
// where they are and begin the next answer, as they do for Telegram.
func (c *conn) rest() *job {
	for {
		if j := c.take(false); j != nil {
			return j
		}
		_, err := c.wc.R.Peek(c.wc.R.Buffered() + 1)
		if errors.Is(err, bufio.ErrBufferFull) {
			select {
			case <-c.wake:
			case <-time.After(c.h.s.opt.IdleTimeout):
				return c.take(true)
			case <-c.h.ctx.Done():
				return nil
			}
		} else if err != nil {
			return c.take(true)
		}
	}
}

// take returns the assigned job. Without one the connection may leave service
// in the same moment, so that none is assigned afterwards. A job that is
// assigned just when the peer closes fails, as it would for Telegram.
func (c *conn) take(leave bool) *job {
	c.h.s.mu.Lock()
	defer c.h.s.mu.Unlock()
	j := c.job
	if j != nil {
		c.job = nil
		select {
		case <-c.wake:
		default:
		}
	} else if i := slices.Index(c.h.idle, c); leave && i >= 0 {
		c.h.idle = slices.Delete(c.h.idle, i, i+1)
		c.h.open--
	}
	return j
}
