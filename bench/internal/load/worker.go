package load

import (
	"net/netip"
	"sync/atomic"
	"time"
)

// worker sends one request after the other.
type worker struct {
	job     *Job
	phase   *atomic.Int32
	some    *atomic.Bool // something has been counted
	due     <-chan time.Time
	request request
	from    netip.Addr
	conn    *client

	status    map[int]int
	latencies []time.Duration
	err       error

	dropped, repeated, rejected, lost int
}

func (w *worker) run() {
	defer w.hangUp()
	for {
		start, ok := w.wait()
		if !ok {
			return
		}
		status := w.send()
		if status != 0 && w.phase.Load() == counting {
			w.status[status]++
			w.latencies = append(w.latencies, time.Since(start))
			w.some.Store(true)
		}
	}
}

// wait returns when the next request is due: by the rate, or at once.
func (w *worker) wait() (time.Time, bool) {
	if w.due == nil {
		return time.Now(), w.phase.Load() != over
	}
	start, ok := <-w.due
	return start, ok && w.phase.Load() != over
}

// tries is how often a genuine update is sent before it counts as lost.
const tries = 5

// send returns the status of the answer, 0 if there was none. What is genuine is
// sent again, as Telegram does: at once, and then after two seconds, of which
// Telegram makes more each time.
func (w *worker) send() int {
	for try := 0; ; try++ {
		if w.job.Attentive && w.conn != nil && w.conn.closed() {
			w.hangUp()
		}
		kept := w.conn != nil
		status, err := w.try()
		switch {
		case err == nil:
			return status
		case w.job.Forged:
			w.count(&w.dropped, err)
			return 0
		case try == tries-1:
			w.count(&w.lost, err)
			return 0
		case kept:
			w.count(&w.repeated, err)
		default:
			w.count(&w.rejected, err)
		}
		if try > 0 {
			time.Sleep(2 * time.Second)
		}
	}
}

func (w *worker) count(n *int, err error) {
	if w.phase.Load() == counting {
		*n++
		w.err = err
		w.some.Store(true)
	}
}

func (w *worker) try() (status int, err error) {
	if w.conn == nil {
		timeout := patience
		if w.job.Hasty {
			timeout = haste
		}
		if w.conn, err = dial(w.job.Address, w.from, timeout, w.job.TLS); err != nil {
			w.conn = nil
			return 0, err
		}
	}
	status, keep, err := w.conn.do(w.request.next())
	if err != nil || !keep || w.job.Fresh {
		w.hangUp()
	}
	return status, err
}

func (w *worker) hangUp() {
	if w.conn != nil {
		_ = w.conn.Close()
		w.conn = nil
	}
}
