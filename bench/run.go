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

// A run is all that one call of the program measures.
type run struct {
	options
	ctx     context.Context
	setup   *contender.Setup
	cases   []*benchCase
	running map[string]*contender.Running

	samples map[string]map[string][]sample // by case and contender, one a round
	idle    map[string]int64               // bytes held before the first load, by contender
	reloads map[string]reloads             // by contender
}

// runAll measures what the options say, and writes the tables to stdout. All of
// it goes into docs/benchmarks.md, a part does not.
func runAll(ctx context.Context, o options, stdout io.Writer) (err error) {
	if o.quick {
		o.rounds, o.duration = 1, 200*time.Millisecond
	}
	r := &run{options: o, ctx: ctx, running: make(map[string]*contender.Running), samples: make(map[string]map[string][]sample),
		idle: make(map[string]int64), reloads: make(map[string]reloads)}
	if r.cases, err = o.choose(); err != nil {
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
	if _, err := fmt.Fprintln(stdout, r.text(false)); err != nil {
		return err
	}
	if !o.whole() {
		return nil
	}
	return r.write()
}

// whole reports whether everything is measured, as long as it takes.
func (o options) whole() bool { return !o.quick && o.cases == "" && o.contenders == "" }

// prepare makes what all contenders need. End takes it away.
func (r *run) prepare() (end func() error, err error) {
	var ends []func() error
	end = func() (err error) {
		for _, one := range slices.Backward(ends) {
			err = errors.Join(err, one())
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
	up, err := startHelper("upstream")
	if err != nil {
		return end, err
	}
	ends = append(ends, up.stop)
	address, err := up.line()
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

// choose returns the cases, with the contenders, that the options name.
func (o options) choose() (chosen []*benchCase, err error) {
	for _, name := range split(o.contenders) {
		if contender.Find(name) == nil {
			return nil, fmt.Errorf("-contenders: there is no %q", name)
		}
	}
	for _, name := range split(o.cases) {
		if !slices.Contains(caseNames(), name) {
			return nil, fmt.Errorf("-cases: there is no %q", name)
		}
	}
	for _, c := range allCases() {
		if c.Contenders = o.chosen(c.Contenders); o.asked(c.Name) && len(c.Contenders) > 0 {
			chosen = append(chosen, c)
		}
	}
	return chosen, nil
}

// asked reports whether a case is to be measured.
func (o options) asked(name string) bool {
	return o.cases == "" || slices.Contains(split(o.cases), name)
}

func split(list string) []string {
	return strings.FieldsFunc(list, func(r rune) bool { return r == ',' || r == ' ' })
}

// start runs all contenders that are needed, and loads each a little: before, to
// see what it holds when idle; and so that it has compiled and cached what it
// will, when it is measured.
func (r *run) start() error {
	needed := make(map[string]bool)
	for _, c := range r.cases {
		for _, name := range c.Contenders {
			needed[name] = true
		}
	}
	for _, name := range r.reloaded() {
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

// measure takes all contenders of a case one after the other, case by case, and
// that round by round: what disturbs the machine for a while disturbs all.
func (r *run) measure() error {
	for round := range r.rounds {
		for _, c := range r.cases {
			for i := range c.Contenders {
				if err := r.ctx.Err(); err != nil {
					return err
				}
				name := c.Contenders[(i+round)%len(c.Contenders)] // not always the same first
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
