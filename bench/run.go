package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/caddy-telegram/telegramwebhook/bench/internal/contender"
	"github.com/caddy-telegram/telegramwebhook/bench/internal/load"
)

// A run is everything that one call of the program measures.
type run struct {
	options
	ctx     context.Context
	setup   *contender.Setup
	cases   []*benchCase
	running map[string]*contender.Running

	samples     map[string]map[string][]sample // by case and contender, one for each round
	idle        map[string]int64               // memory before the first load, in bytes, by contender
	reloads     map[string]reloads             // by contender
	allocations string                         // of one check; empty if it was not measured
}

// runAll measures what the options say, and writes the tables to stdout. A whole
// run goes into docs/benchmarks.md too.
func runAll(ctx context.Context, o options, stdout io.Writer) (err error) {
	if o.quick {
		o.rounds, o.duration = 1, 200*time.Millisecond
	}
	r := &run{options: o, ctx: ctx, running: make(map[string]*contender.Running), samples: make(map[string]map[string][]sample),
		idle: make(map[string]int64), reloads: make(map[string]reloads)}
	if r.cases, err = o.selectCases(); err != nil {
		return err
	}
	end, err := r.prepare()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, end()) }()
	defer r.stop()
	if err := r.start(); err != nil {
		return err
	}
	if err := r.measure(); err != nil {
		return err
	}
	if err := r.measureReloads(); err != nil {
		return err
	}
	if err := r.measurePolling(); err != nil {
		return err
	}
	if o.whole() {
		if r.allocations, err = checkAllocations(filepath.Join(r.setup.Source, "..")); err != nil {
			return err
		}
	}
	if _, err := fmt.Fprintln(stdout, r.text(false)); err != nil || !o.whole() {
		return err
	}
	return r.write()
}

// whole reports whether the options leave nothing out.
func (o options) whole() bool { return !o.quick && o.cases == "" && o.contenders == "" }

// prepare starts the bot behind the gates and makes what all contenders share. The
// function end stops and removes all of it.
func (r *run) prepare() (end func() error, err error) {
	var ends []func() error
	end = func() (err error) {
		for _, f := range slices.Backward(ends) {
			err = errors.Join(err, f())
		}
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, end())
		}
	}()
	source, err := os.Getwd()
	if err != nil {
		return end, err
	}
	if _, err := os.Stat(filepath.Join(source, "bots")); err != nil {
		return end, fmt.Errorf("run this in the folder bench: %w", err)
	}
	dir, err := os.MkdirTemp("", "bench")
	if err != nil {
		return end, err
	}
	ends = append(ends, func() error { return os.RemoveAll(dir) })
	upstream, err := startHelper("upstream")
	if err != nil {
		return end, err
	}
	ends = append(ends, upstream.stop)
	address, err := upstream.line()
	if err != nil {
		return end, err
	}
	r.setup = &contender.Setup{Dir: dir, Source: source, Upstream: address}
	endTelegram, err := r.setup.Prepare()
	if err != nil {
		return end, err
	}
	ends = append(ends, func() error { endTelegram(); return nil })
	return end, nil
}

// selectCases returns the cases that the options include, each with the contenders
// that they include.
func (o options) selectCases() (selected []*benchCase, err error) {
	for _, name := range splitList(o.contenders) {
		if contender.Find(name) == nil {
			return nil, fmt.Errorf("-contenders: unknown contender %q", name)
		}
	}
	for _, name := range splitList(o.cases) {
		if !slices.Contains(caseNames(), name) {
			return nil, fmt.Errorf("-cases: unknown case %q", name)
		}
	}
	for _, c := range allCases() {
		if c.Contenders = o.selectContenders(c.Contenders); o.includesCase(c.Name) && len(c.Contenders) > 0 {
			selected = append(selected, c)
		}
	}
	return selected, nil
}

func (o options) includesCase(name string) bool {
	return o.cases == "" || slices.Contains(splitList(o.cases), name)
}

func splitList(list string) []string {
	return strings.FieldsFunc(list, func(r rune) bool { return r == ',' || r == ' ' })
}

// start starts the contenders that are needed, measures their memory while they
// are idle, and warms each one up with a short load.
func (r *run) start() error {
	needed := make(map[string]bool)
	for _, c := range r.cases {
		for _, name := range c.Contenders {
			needed[name] = true
		}
	}
	for _, name := range r.reloadedContenders() {
		needed[name] = true
	}
	for _, c := range contender.All() {
		if !needed[c.Name] {
			continue
		}
		running, err := c.Start(r.setup)
		if err != nil {
			return err
		}
		r.running[c.Name] = running
	}
	time.Sleep(time.Second)
	for name, running := range r.running {
		var err error
		if r.idle[name], err = running.Memory(); err != nil {
			return err
		}
		job := genuine(0)(running)
		job.During = func() { time.Sleep(r.duration) }
		if _, err := load.Run(job); err != nil {
			return err
		}
	}
	return nil
}

func (r *run) stop() {
	for _, running := range r.running {
		running.Stop()
	}
}

// measure takes the contenders of a case one after the other, and the cases one
// after the other, in each round: a disturbance of the machine meets all
// contenders, and not all rounds of one.
func (r *run) measure() error {
	for round := range r.rounds {
		for _, c := range r.cases {
			for i := range c.Contenders {
				if err := r.ctx.Err(); err != nil {
					return err
				}
				name := c.Contenders[(i+round)%len(c.Contenders)] // another one is first in each round
				s, err := c.measure(r.running[name], r.duration)
				if err != nil {
					return fmt.Errorf("%s, %s: %w", c.Name, name, err)
				}
				r.add(c.Name, name, s)
				fmt.Fprintf(os.Stderr, "round %d  %-9s %-18s %7.1f µs CPU  %8.0f/s  p50 %8v  p99 %8v\n", round+1, c.Name, name,
					float64(s.CPU)/1e3, s.Rate, s.P50.Round(time.Microsecond), s.P99.Round(time.Microsecond))
			}
		}
	}
	return nil
}

func (r *run) add(of, name string, s sample) {
	if r.samples[of] == nil {
		r.samples[of] = make(map[string][]sample)
	}
	r.samples[of][name] = append(r.samples[of][name], s)
}
