package main

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"time"

	"github.com/caddy-telegram/telegramwebhook/bench/internal/contender"
	"github.com/caddy-telegram/telegramwebhook/bench/internal/load"
)

const (
	// reloadsName is the case that is measured once, after all rounds.
	reloadsName = "reloads"

	// reloadedGate has a bot token: a reload is more work for it than for a gate
	// with a secret alone.
	reloadedGate = "gate-registered"

	reloadInterval = 100 * time.Millisecond
)

// reloaded are the contenders that reload under load.
var reloaded = []string{reloadedGate, "bare", "matcher", "nginx", "haproxy"}

// reloads is what happened to genuine updates while a contender reloaded.
type reloads struct {
	Times    int
	Updates  int
	Lost     int // without an answer at the last try
	Refused  int // answered with another status than 200
	Repeated int // received by the bot twice
	Resent   int // sent again, because the connection was closed without an answer
}

// measureReloads measures one contender after the other.
func (r *run) measureReloads() error {
	for _, name := range r.reloadedContenders() {
		if err := r.ctx.Err(); err != nil {
			return err
		}
		result, err := r.reloadUnderLoad(r.running[name])
		if err != nil {
			return fmt.Errorf("%s, %s: %w", reloadsName, name, err)
		}
		r.reloads[name] = result
		fmt.Fprintf(os.Stderr, "reloads  %-18s %d times: %d lost, %d refused, %d repeated, %d sent again\n", name,
			result.Times, result.Lost, result.Refused, result.Repeated, result.Resent)
	}
	return nil
}

func (r *run) reloadUnderLoad(c *contender.Running) (result reloads, err error) {
	result.Times = 100
	if r.quick {
		result.Times = 3
	}
	var failed error
	job := genuine(pacedRate)(c)
	job.URL, job.CheckClosed = c.URL(countedPath), true
	job.During = func() { failed = reload(c, result.Times) }
	sent, err := load.Run(job)
	if err := errors.Join(err, failed); err != nil {
		return result, err
	}
	received, err := readCount(r.setup.Upstream)
	result.Updates, result.Lost, result.Resent = sent.Requests(), sent.Lost, sent.Resent
	result.Refused = sent.Requests() - sent.Lost - sent.Status[200]
	result.Repeated = received.Repeated
	if received.Updates < sent.Status[200] {
		return result, errors.Join(err, fmt.Errorf("%d updates were answered with 200, the bot received %d", sent.Status[200], received.Updates))
	}
	return result, err
}

func reload(c *contender.Running, times int) error {
	for range times {
		if err := c.Reload(); err != nil {
			return err
		}
		time.Sleep(reloadInterval)
	}
	return nil
}

// reloadedContenders returns the contenders that the options have reloaded.
func (o options) reloadedContenders() []string {
	if !o.includesCase(reloadsName) {
		return nil
	}
	return o.selectContenders(reloaded)
}

// selectContenders returns those contenders that the options include.
func (o options) selectContenders(names []string) []string {
	only := splitList(o.contenders)
	return slices.DeleteFunc(slices.Clone(names), func(name string) bool { return len(only) > 0 && !slices.Contains(only, name) })
}
