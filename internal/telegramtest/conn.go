package telegramtest

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"net"
	"slices"
	"time"
)

// conn is a persistent connection to a webhook with at most one request under
// way. One goroutine runs it from its first try to its end.
type conn struct {
	h    *hook
	id   uint64
	nc   net.Conn // nil until the first try
	r    *bufio.Reader
	late chan error  // result of a write that its answer overtook, or nil
	stop func() bool // ends the watch for a new registration

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
		if a.keep {
			c.nc.SetReadDeadline(time.Now().Add(c.h.s.opt.IdleTimeout))
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
	if c.nc != nil {
		c.stop()
		c.nc.Close()
	}
}

// try writes a request and reads its answer.
func (c *conn) try(j job) *answer {
	if c.nc == nil {
		if err := c.open(); err != nil {
			return &answer{err: err}
		}
	}
	if c.late != nil && <-c.late != nil {
		return &answer{err: errClosed}
	}

	written := c.write(j.request)
	a := readAnswer(c.r)
	unwritten := true
	select {
	case err := <-written:
		// With an answer in hand it does not matter that the peer did not take
		// the whole request, except that nothing more can be sent.
		a.keep = a.keep && err == nil
		unwritten = err != nil
	default:
		c.late = written
	}
	if unwritten && errors.Is(a.err, errReadTimeout) {
		a.err = errWriteTimeout
	}
	return a
}

// write sends a request and sets the deadline for its answer. The answer is read
// meanwhile: a peer may give it before it took the whole request.
func (c *conn) write(request []byte) chan error {
	c.late = nil
	c.nc.SetDeadline(time.Now().Add(c.h.s.opt.ReadTimeout))
	written := make(chan error, 1)
	c.h.s.wg.Go(func() {
		_, err := c.nc.Write(request)
		written <- err
	})
	return written
}

// open dials and makes TLS. A new registration cuts the connection.
func (c *conn) open() error {
	ctx, cancel := context.WithTimeout(c.h.ctx, c.h.s.opt.ReadTimeout)
	defer cancel()
	raw, err := c.h.s.opt.Dial(ctx, "tcp4", c.h.target.address(c.h.w.IPAddress))
	if err != nil {
		return dialError(err)
	}
	c.nc, c.stop = raw, context.AfterFunc(c.h.ctx, func() { raw.Close() })
	if c.h.tls != nil {
		tc := tls.Client(raw, c.h.tls)
		if err := tc.HandshakeContext(ctx); err != nil {
			return tlsError(err)
		}
		c.nc = tc
	}
	c.r = bufio.NewReader(c.nc)
	return nil
}

// assign gives an idle connection something to do. The sender's lock is held.
func (c *conn) assign(j job) {
	c.job = &j
	c.wake <- struct{}{}
	c.nc.SetReadDeadline(time.Unix(1, 0)) // interrupts rest
}

// rest waits for the next job while it watches for the peer to close. It
// returns nil when the connection has ended. Bytes that come meanwhile stay
// where they are and begin the next answer, as they do for Telegram.
func (c *conn) rest() *job {
	for {
		if j := c.take(false); j != nil {
			return j
		}
		_, err := c.r.Peek(c.r.Buffered() + 1)
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
