// Package load sends requests to a webhook as Telegram does, or as a forger
// would, and measures how long the answers take.
//
//   - load.go: what is sent, and what came of it
//   - worker.go: one connection after the other
//   - client.go, request.go: the bytes
//   - flood.go: forgers in a process of their own
package load

import (
	"crypto/tls"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// Target is a webhook, and the secret that it is sent.
type Target struct{ URL, Secret string }

// Job is a load. Its connections are spread over the targets.
type Job struct {
	Address string // where the host of all targets is
	Targets []Target
	TLS     *tls.Config

	Connections int
	Rate        int  // requests a second, however long they take; 0 for as many as can be
	Fresh       bool // every request on a connection of its own

	// Attentive is to look before each request whether the connection was closed
	// meanwhile, as Telegram does. It costs the generator a system call.
	Attentive bool

	// Forged requests are not sent again when they are not answered.
	Forged bool
	From   []netip.Addr // the addresses to connect from, in turn; none for any
	Hasty  bool         // connecting is given up after a short while

	// Warm is how long the load runs before anything counts, and During is called
	// then: what happens until it returns counts.
	Warm   time.Duration
	During func()
}

// Result is what came of a load.
type Result struct {
	Status    map[int]int     // how often each was answered
	Latencies []time.Duration // of what was answered, sorted; of paced requests since they were due
	Took      time.Duration

	Dropped  int // forged: connections that were closed without an answer
	Repeated int // genuine: kept connections that were closed under a request, which was sent again
	Rejected int // genuine: new connections that were closed before an answer, likewise
	Lost     int // genuine: not answered at the last try either
	Example  string
}

// Requests is how many there were, answered or not.
func (r *Result) Requests() int {
	n := r.Dropped + r.Lost
	for _, count := range r.Status {
		n += count
	}
	return n
}

// Percentile returns the latency that p of 100 requests stay below.
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

// Run sends what the job says until During has returned and something has come of
// it.
func Run(j Job) (_ *Result, err error) {
	var phase atomic.Int32
	var some atomic.Bool
	due := j.pace(&phase)
	workers := make([]*worker, j.Connections)
	var running sync.WaitGroup
	for i := range workers {
		w := &worker{job: &j, phase: &phase, some: &some, due: due, status: make(map[int]int)}
		if w.request, err = newRequest(j.Targets[i*len(j.Targets)/len(workers)]); err != nil {
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
	for late := begin.Add(patience); !some.Load() && time.Now().Before(late); {
		time.Sleep(time.Millisecond) // a short while on a busy machine
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
	r.Repeated += w.repeated
	r.Rejected += w.rejected
	r.Lost += w.lost
	if r.Example == "" && w.err != nil {
		r.Example = w.err.Error()
	}
}

// pace returns a channel on which requests come due; nil if there is no rate. It
// has room for those that no connection is free for.
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
			default: // a minute behind: what is due now is not sent
			}
		}
	}()
	return due
}
