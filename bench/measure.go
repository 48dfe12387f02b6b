package main

import (
	"errors"
	"fmt"
	"time"

	"github.com/caddy-telegram/telegramwebhook/bench/internal/contender"
	"github.com/caddy-telegram/telegramwebhook/bench/internal/load"
)

// sample is one measurement.
type sample struct {
	CPU      time.Duration // per request, in all processes of the contender
	Rate     float64       // requests a second
	P50, P99 time.Duration
	Memory   int64   // at the end, under load
	Flood    float64 // forgeries a second, answered or not

	Answer50, Answer99 time.Duration // from getUpdates' answer on, in the case poll
}

// measure measures a contender once.
func (c *benchCase) measure(r *contender.Running, duration time.Duration) (s sample, err error) {
	if c.Long {
		duration *= 2
	}
	job := c.job(r)
	job.Warm = max(duration/5, 200*time.Millisecond)
	if job.Fresh {
		job.Warm *= 3 // until the flood guard has penalized all addresses
	}
	var used time.Duration
	var failed error
	job.During = func() { used, s.Memory, failed = watchProcesses(r, duration) }

	var result *load.Result
	send := func() { result, err = load.Run(job) }
	if c.Flooded {
		flood, floodErr := newFlood(r).during(send)
		s.Flood = float64(flood.Requests) / max(flood.Took.Seconds(), 1e-9)
		failed = errors.Join(failed, floodErr)
	} else {
		send()
	}
	if err := errors.Join(err, failed); err != nil {
		return s, err
	}
	if err := checkResult(r, job, result); err != nil {
		return s, err
	}
	s.CPU = used / time.Duration(result.Requests())
	s.Rate = float64(result.Requests()) / result.Took.Seconds()
	s.P50, s.P99 = result.Percentile(50), result.Percentile(99)
	return s, nil
}

// watchProcesses returns the processor time that a contender uses in a while, and
// its memory afterwards.
func watchProcesses(r *contender.Running, d time.Duration) (used time.Duration, memory int64, err error) {
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

// checkResult returns an error if the load did not get the answers that it should
// get.
func checkResult(r *contender.Running, job load.Job, result *load.Result) error {
	want := 200
	if job.Forged {
		want = r.Refusal
	}
	for status, n := range result.Status {
		if status != want {
			return fmt.Errorf("%d answers with status %d, want %d", n, status, want)
		}
	}
	if result.Requests() == 0 {
		return fmt.Errorf("no answers; last error: %w", result.Err)
	}
	if result.Lost > 0 {
		return fmt.Errorf("%d updates lost; last error: %w", result.Lost, result.Err)
	}
	if result.Dropped > 0 && !r.Drops {
		return fmt.Errorf("%d connections closed without an answer; last error: %w", result.Dropped, result.Err)
	}
	return nil
}
