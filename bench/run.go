package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/caddy-telegram/telegramwebhook/bench/internal/contender"
)

// A run is all that one call of the program measures.
type run struct {
	options
	ctx     context.Context
	setup   *contender.Setup
	cases   []*benchCase
	running map[string]*contender.Running

	samples map[string]map[string][]sample // by case and contender, one a round
}

func runAll(ctx context.Context, o options) (err error) {
	if o.quick {
		o.rounds, o.duration = 1, 200*time.Millisecond
	}
	r := &run{options: o, ctx: ctx, running: make(map[string]*contender.Running), samples: make(map[string]map[string][]sample)}
	if r.cases, err = o.choose(); err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "bench")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	source, err := os.Getwd()
	if err != nil {
		return err
	}
	if _, err := os.Stat(filepath.Join(source, "bots")); err != nil {
		return fmt.Errorf("run this in the folder bench: %w", err)
	}
	up, err := startHelper("upstream")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, up.stop()) }()
	address, err := up.line()
	if err != nil {
		return err
	}
	r.setup = &contender.Setup{Dir: dir, Source: source, Upstream: address}
	if err := r.setup.Prepare(); err != nil {
		return err
	}
	defer r.stop()
	if err := r.start(); err != nil {
		return err
	}
	if err := r.measure(); err != nil {
		return err
	}
	return r.print(os.Stdout)
}

// choose returns the cases, with the contenders, that the options name.
func (o options) choose() (chosen []*benchCase, err error) {
	cases, contenders := split(o.cases), split(o.contenders)
	for _, name := range contenders {
		if contender.Find(name) == nil {
			return nil, fmt.Errorf("-contenders: there is no %q", name)
		}
	}
	for _, name := range cases {
		if !slices.Contains(caseNames(), name) {
			return nil, fmt.Errorf("-cases: there is no %q", name)
		}
	}
	for _, c := range allCases() {
		if len(cases) > 0 && !slices.Contains(cases, c.Name) {
			continue
		}
		c.Contenders = slices.DeleteFunc(c.Contenders, func(name string) bool {
			return len(contenders) > 0 && !slices.Contains(contenders, name)
		})
		if len(c.Contenders) > 0 {
			chosen = append(chosen, c)
		}
	}
	return chosen, nil
}

func split(list string) []string {
	return strings.FieldsFunc(list, func(r rune) bool { return r == ',' || r == ' ' })
}

// start runs all contenders that a case needs.
func (r *run) start() error {
	for _, c := range contender.All() {
		needed := slices.ContainsFunc(r.cases, func(b *benchCase) bool { return slices.Contains(b.Contenders, c.Name) })
		if !needed {
			continue
		}
		running, err := c.Start(r.setup)
		if err != nil {
			return err
		}
		r.running[c.Name] = running
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
