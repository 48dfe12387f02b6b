// Package load sends requests to a webhook as Telegram or a forger does, and
// measures the answers.
//
//   - load.go: the load and its result
//   - worker.go: one connection after the other
//   - client.go, request.go: the bytes
package load

import (
	"crypto/tls"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// Job is a load.
type Job struct {
	Address string // of the server, host and port
	URL     string // of the webhook
	Secret  string
	TLS     *tls.Config

	Connections int
	Rate        int  // requests a second, however long they take; 0 for as many as possible
	Fresh       bool // open a new connection for every request

	// CheckClosed looks before each request whether the server has closed the
	// connection meanwhile, as Telegram does. It costs the generator a system call.
	CheckClosed bool

	// Forged requests are not sent again when they are not answered.
	Forged bool
	From   []netip.Addr // the addresses to connect from, in turn; empty for any

	// Warm is how long the load runs before requests count. Then During is called,
	// and requests count until it returns.
	Warm   time.Duration
	During func()
}

// Result sums up a load.
type Result struct {
	Status    map[int]int     // the number of answers by status
	Latencies []time.Duration // sorted; with a rate, from the moment at which the request was due
	Took      time.Duration

	Dropped int   // forged requests whose connection was closed without an answer
	Resent  int   // genuine updates sent again, because their connection was closed without an answer
	Lost    int   // genuine updates that were not answered at the last try either
	Err     error // the last one
}

// Requests returns the number of requests, answered or not.
func (r *Result) Requests() int {
	n := r.Dropped + r.Lost
	for _, count := range r.Status {
		n += count
	}
	return n
}

// Percentile returns the latency that p of 100 requests do not exceed.
func (r *Result) Percentile(p float64) time.Duration {
	if len(r.Latencies) == 0 {
		return 0
	}
	return r.Latencies[min(int(p/100*float64(len(r.Latencies))), len(r.Latencies)-1)]
}

const (
	warming = iota
	counting
	over
)

// Run runs a load until During has returned and at least one request has counted.
func Run(j Job) (_ *Result, err error) {
	var phase atomic.Int32
	var counted atomic.Bool
	due := j.pace(&phase)
	workers := make([]*worker, j.Connections)
	var running sync.WaitGroup
	for i := range workers {
		w := &worker{job: &j, phase: &phase, counted: &counted, due: due, status: make(map[int]int)}
		if w.request, err = newRequest(j.URL, j.Secret); err != nil {
			phase.Store(over)
			return nil, err
		}
		if len(j.From) > 0 {
			w.from = j.From[i%len(j.From)]
		}
		workers[i] = w
		running.Go(w.run)
	}

	time.Sleep(j.Warm)
	begin := time.Now()
	phase.Store(counting)
	j.During()
	for deadline := begin.Add(timeout); !counted.Load() && time.Now().Before(deadline); {
		time.Sleep(time.Millisecond) // During was short, and the machine is busy
	}
	phase.Store(over)
	result := &Result{Status: make(map[int]int), Took: time.Since(begin)}
	running.Wait()
	for _, w := range workers {
		result.add(w)
	}
	slices.Sort(result.Latencies)
	return result, nil
}

func (r *Result) add(w *worker) {
	for status, n := range w.status {
		r.Status[status] += n
	}
	r.Latencies = append(r.Latencies, w.latencies...)
	r.Dropped += w.dropped
	r.Resent += w.resent
	r.Lost += w.lost
	if w.err != nil {
		r.Err = w.err
	}
}

// pace returns a channel that tells when each request is due; nil without a rate.
// The channel buffers the requests for which no connection is free.
func (j *Job) pace(phase *atomic.Int32) <-chan time.Time {
	if j.Rate == 0 {
		return nil
	}
	due := make(chan time.Time, 60*j.Rate)
	go func() {
		defer close(due)
		interval := time.Second / time.Duration(j.Rate)
		for next := time.Now(); phase.Load() != over; next = next.Add(interval) {
			time.Sleep(time.Until(next))
			select {
			case due <- next:
			default: // a minute behind: this request is left out
			}
		}
	}()
	return due
}
