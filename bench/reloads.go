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

// reloadsName is the case that is measured once, after all rounds.
const reloadsName = "reloads"

// reloadsGate has a bot token: it could tell Telegram something.
const reloadsGate = "gate-registered"

// reloaded are the contenders that take on a configuration while they run.
var reloaded = []string{reloadsGate, "bare", "matcher", "nginx", "haproxy"}

// reloads is what came of reloading a contender under load.
type reloads struct {
	Times    int
	Requests int
	Repeated int // kept connections closed under a request, which was then sent again
	Rejected int // new connections closed before an answer, likewise
	Lost     int
	Wrong    int // genuine updates answered with something else than 200
	Calls    int // of setWebhook meanwhile

	Before, After holding
}

// holding is what a contender holds when nothing is asked of it.
type holding struct {
	Memory int64
	Live   *contender.Live // nil for what is not in Go
}

const (
	reloadsRate  = 500
	reloadsPause = 100 * time.Millisecond
)

// settling is how long a contender may take to give back what a load or a reload
// took. It is longer than reloadsGate keeps an idle connection to the bot; by
// default Caddy keeps those of every old configuration for two minutes.
func (o options) settling() time.Duration {
	if o.quick {
		return 100 * time.Millisecond
	}
	return 4 * time.Second
}

// times is how often a contender is reloaded.
func (o options) times(name string) int {
	switch {
	case o.quick:
		return 3
	case name == reloadsGate:
		return 200
	}
	return 20
}

// measureReloads has every contender take on its configuration again and again
// while genuine updates come.
func (r *run) measureReloads() error {
	for _, name := range r.reloaded() {
		if err := r.ctx.Err(); err != nil {
			return err
		}
		result, err := r.reloadUnderLoad(r.running[name])
		if err != nil {
			return fmt.Errorf("%s, %s: %w", reloadsName, name, err)
		}
		r.reloads[name] = result
		fmt.Fprintf(os.Stderr, "reloads  %-18s %d times: %d lost, %d refused, %d closed under a request\n", name,
			result.Times, result.Lost, result.Wrong, result.Repeated)
	}
	return nil
}

func (o options) reloadUnderLoad(r *contender.Running) (result reloads, err error) {
	times := o.times(r.Name)
	job := genuine(reloadsRate)(r)
	job.Warm, job.Attentive = 500*time.Millisecond, true

	// A few before, so that what the first one makes for good is not taken for a
	// leak.
	job.During = func() { err = reload(r, 3) }
	if _, failed := load.Run(job); failed != nil || err != nil {
		return result, errors.Join(failed, err)
	}
	if result.Before, err = o.hold(r); err != nil {
		return result, err
	}
	calls := r.SetWebhookCalls()
	job.During = func() { err = reload(r, times) }
	sent, failed := load.Run(job)
	if failed != nil || err != nil {
		return result, errors.Join(failed, err)
	}
	result.Times, result.Requests = times, sent.Requests()
	result.Repeated, result.Rejected, result.Lost = sent.Repeated, sent.Rejected, sent.Lost
	result.Wrong = sent.Requests() - sent.Lost - sent.Status[200]
	result.Calls = r.SetWebhookCalls() - calls
	result.After, err = o.hold(r)
	return result, err
}

func reload(r *contender.Running, times int) error {
	for range times {
		if err := r.Reload(); err != nil {
			return err
		}
		time.Sleep(reloadsPause)
	}
	return nil
}

func (o options) hold(r *contender.Running) (h holding, err error) {
	time.Sleep(o.settling())
	if h.Live, err = r.Live(); err != nil {
		return h, err
	}
	h.Memory, err = r.Memory()
	return h, err
}

// reloaded returns the contenders that the options have reloaded.
func (o options) reloaded() []string {
	if !o.asked(reloadsName) {
		return nil
	}
	return o.chosen(reloaded)
}

// chosen returns those of some contenders that the options allow.
func (o options) chosen(names []string) []string {
	only := split(o.contenders)
	return slices.DeleteFunc(slices.Clone(names), func(name string) bool { return len(only) > 0 && !slices.Contains(only, name) })
}
