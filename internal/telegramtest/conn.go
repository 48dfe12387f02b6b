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
// way. One goroutine runs it from its opening to its end. It can have a job before
// it is open.
type conn struct {
	h          *hook
	id         uint64
	generation int
	address    string
	wc         *wire       // nil until it is open
	stop       func() bool // ends the watch for a new registration

	job  *job          // assigned while idle; the sender's lock guards it
	wake chan struct{} // holds a value when a job was assigned
}

func newConn(h *hook, id uint64) *conn {
	return &conn{
		h: h, id: id, generation: h.generation,
		address: h.target.Address(h.w.IPAddress),
		wake:    make(chan struct{}, 1),
	}
}

// run makes one try after the other until the connection ends.
func (c *conn) run() {
	defer c.close()
	if err := c.open(); err != nil {
		if j := c.take(true, err); j != nil {
			c.h.ended(c, *j, &telegram.Answer{Err: err})
		}
		return
	}
	for {
		j := c.rest()
		if j == nil {
			return
		}
		a := c.wc.exchange(j.request, j.begin.Add(c.h.s.opt.ReadTimeout))
		c.refuse(a)
		if !a.Keep {
			c.close()
		} else {
			_ = c.wc.SetReadDeadline(time.Now().Add(c.h.s.opt.IdleTimeout))
		}
		if !c.h.ended(c, *j, a) {
			return
		}
	}
}

func (c *conn) close() {
	if c.wc != nil {
		c.stop()
		_ = c.wc.Close()
	}
}

// open connects. A new registration cuts the connection.
func (c *conn) open() error {
	s, begin := c.h.s, time.Now()
	ctx, cancel := context.WithDeadline(c.h.ctx, begin.Add(s.opt.ReadTimeout))
	defer cancel()
	wc, err := openWire(ctx, s.opt.Dial, c.address, c.h.tls)
	if err != nil {
		return err
	}
	_ = wc.SetReadDeadline(begin.Add(s.opt.IdleTimeout))
	c.stop = context.AfterFunc(c.h.ctx, func() { _ = wc.Conn.Close() })
	s.mu.Lock()
	defer s.mu.Unlock()
	c.wc = wc
	return nil
}

// assign gives an idle connection something to do. The sender's lock is held.
func (c *conn) assign(j job) {
	c.job = &j
	c.wake <- struct{}{}
	if c.wc != nil {
		_ = c.wc.SetReadDeadline(time.Unix(1, 0)) // interrupts rest
	}
}

// rest waits for the next job while it watches for the peer to close. It
// returns nil when the connection has ended. Bytes that come meanwhile stay
// where they are and begin the next answer, as they do for Telegram.
func (c *conn) rest() *job {
	for {
		if j := c.take(false, nil); j != nil {
			return j
		}
		_, err := c.wc.r.Peek(c.wc.r.Buffered() + 1)
		if errors.Is(err, bufio.ErrBufferFull) {
			select {
			case <-c.wake:
			case <-time.After(c.h.s.opt.IdleTimeout):
				return c.take(true, nil)
			case <-c.h.ctx.Done():
				return nil
			}
		} else if err != nil {
			return c.take(true, words(err))
		}
	}
}

// take returns the assigned job. Without one the connection may leave service
// in the same moment, so that none is assigned afterwards. A job that is
// assigned just when the peer closes fails, as it would for Telegram.
func (c *conn) take(leave bool, err error) *job {
	h := c.h
	h.s.mu.Lock()
	defer h.s.mu.Unlock()
	if j := c.job; j != nil {
		c.job = nil
		select {
		case <-c.wake:
		default:
		}
		return j
	}
	if i := slices.Index(h.connections.idle, c); leave && i >= 0 && h.ctx.Err() == nil {
		h.connections.idle = slices.Delete(h.connections.idle, i, i+1)
		h.connections.open--
		if err != nil && !errors.Is(err, telegram.ErrReadTimeout) { // which is just the end of its time
			h.noteError(&telegram.Answer{Err: err})
		}
		h.work()
	}
	return nil
}
