package main

import (
	"errors"
	"fmt"
	"time"

	"github.com/caddy-telegram/telegramwebhook/bench/internal/contender"
	"github.com/caddy-telegram/telegramwebhook/bench/internal/load"
)

// sample is what one measurement has found.
type sample struct {
	CPU      time.Duration // of a request, in all processes of the contender
	Rate     float64       // requests a second
	P50, P99 time.Duration
	Memory   int64 // at the end, while the load is still on
	Repeated int
	Lost     int
	Dropped  int
	Flood    float64 // forgeries a second, answered or not
}

// measure runs a case once for a contender.
func (c *benchCase) measure(r *contender.Running, duration time.Duration) (sample, error) {
	if c.Long {
		duration *= 2
	}
	job := c.job(r)
	job.Warm = max(duration/5, 200*time.Millisecond)
	if job.Fresh {
		job.Warm *= 3 // until the guard knows all addresses
	}
	var s sample
	var used time.Duration
	var failed error
	job.During = func() { used, s.Memory, failed = spend(r, duration) }

	var result *load.Result
	var err error
	send := func() { result, err = load.Run(job) }
	if c.Flooded {
		report, floodErr := underFlood(against(r, addresses()), send)
		s.Flood = float64(report.Requests) / max(report.Took.Seconds(), 1e-9)
		failed = errors.Join(failed, floodErr)
	} else {
		send()
	}
	if err := errors.Join(err, failed); err != nil {
		return s, err
	}
	if err := check(r, job, result); err != nil {
		return s, err
	}
	s.CPU = used / time.Duration(result.Requests())
	s.Rate = float64(result.Requests()) / result.Took.Seconds()
	s.P50, s.P99 = result.Percentile(50), result.Percentile(99)
	s.Repeated, s.Lost, s.Dropped = result.Repeated, result.Lost, result.Dropped
	return s, nil
}

// spend returns how much CPU a contender uses for a while, and its memory then.
func spend(r *contender.Running, d time.Duration) (used time.Duration, memory int64, err error) {
	before, err := r.CPU()
	if err != nil {
		return 0, 0, err
	}
	time.Sleep(d)
	after, err := r.CPU()
	if err != nil {
		return 0, 0, err
	}
	memory, err = r.Memory()
	return after - before, memory, err
}

// check returns an error if the answers were not those that the load is about.
func check(r *contender.Running, job load.Job, result *load.Result) error {
	want := 200
	if job.Forged {
		want = r.Refusal
	}
	for status, n := range result.Status {
		if status != want {
			return fmt.Errorf("%d answers with %d, not %d", n, status, want)
		}
	}
	if result.Requests() == 0 {
		return fmt.Errorf("no answers: %s", result.Example)
	}
	if result.Lost > 0 {
		return fmt.Errorf("%d updates lost: %s", result.Lost, result.Example)
	}
	if result.Dropped > 0 && !r.Drops {
		return fmt.Errorf("%d connections closed without an answer: %s", result.Dropped, result.Example)
	}
	return nil
}
