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
	counted *atomic.Bool // a request has been counted
	due     <-chan time.Time
	request request
	from    netip.Addr
	conn    *client

	status    map[int]int
	latencies []time.Duration
	err       error

	dropped, resent, lost int
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
			w.counted.Store(true)
		}
	}
}

// wait waits until the next request is due, and returns when that was.
func (w *worker) wait() (time.Time, bool) {
	if w.due == nil {
		return time.Now(), w.phase.Load() != over
	}
	start, ok := <-w.due
	return start, ok && w.phase.Load() != over
}

// maxTries is how often a genuine update is sent before it counts as lost.
const maxTries = 5

// send sends a request and returns the status of the answer, 0 if there is none.
// A genuine update is sent again, as Telegram does: at once, and then after two
// seconds. Telegram's delay grows, this one does not.
func (w *worker) send() int {
	request := w.request.next()
	for try := 1; ; try++ {
		if w.job.CheckClosed && w.conn != nil && w.conn.closed() {
			w.hangUp()
		}
		status, err := w.try(request)
		switch {
		case err == nil:
			return status
		case w.job.Forged:
			w.count(&w.dropped, err)
			return 0
		case try == maxTries:
			w.count(&w.lost, err)
			return 0
		}
		w.count(&w.resent, err)
		if try > 1 {
			time.Sleep(2 * time.Second)
		}
	}
}

func (w *worker) count(n *int, err error) {
	if w.phase.Load() == counting {
		*n++
		w.err = err
		w.counted.Store(true)
	}
}

func (w *worker) try(request []byte) (status int, err error) {
	if w.conn == nil {
		if w.conn, err = dial(w.job.Address, w.from, w.job.TLS); err != nil {
			w.conn = nil
			return 0, err
		}
	}
	status, keep, err := w.conn.do(request)
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
