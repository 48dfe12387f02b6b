package main

import (
	"bytes"
	"context"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/caddy-telegram/telegramwebhook/bench/internal/contender"
	"github.com/caddy-telegram/telegramwebhook/bench/internal/load"
)

func TestMain(m *testing.M) {
	if runHelper(os.Args) {
		return
	}
	os.Exit(m.Run())
}

// Every case names contenders that there are, and compares with one of them.
func TestCases(t *testing.T) {
	for _, c := range allCases() {
		for _, name := range c.Contenders {
			if contender.Find(name) == nil {
				t.Errorf("%s: there is no %q", c.Name, name)
			}
		}
		if !slices.Contains(c.Contenders, c.Reference) || c.Compared.of == nil {
			t.Errorf("%s: compares %q with %q", c.Name, c.Compared.Name, c.Reference)
		}
	}
	for _, name := range reloaded {
		if c := contender.Find(name); c == nil || !c.Reloads() {
			t.Errorf("%q cannot be reloaded", name)
		}
	}
}

func TestChoose(t *testing.T) {
	for _, o := range []options{{cases: "nothing"}, {contenders: "gate,nobody"}} {
		if _, err := o.choose(); err == nil {
			t.Errorf("no error for %+v", o)
		}
	}
	chosen, err := options{cases: "open,full", contenders: "bare,gate"}.choose()
	if err != nil || len(chosen) != 2 {
		t.Fatal(chosen, err)
	}
	if chosen[0].Name != "full" || !slices.Equal(chosen[0].Contenders, []string{"gate", "bare"}) {
		t.Errorf("got %+v", chosen[0])
	}
	if !slices.Equal(chosen[1].Contenders, []string{"gate"}) {
		t.Errorf("got %+v", chosen[1])
	}
}

func TestAddresses(t *testing.T) {
	seen := make(map[string]bool)
	for range 500 {
		for _, a := range addresses() {
			if !a.IsLoopback() || a.String() == "127.0.0.1" || seen[a.String()] {
				t.Fatal(a)
			}
			seen[a.String()] = true
		}
	}
}

// made is a run that has measured what is given, in µs of CPU and in two rounds.
func made(t *testing.T) *run {
	t.Helper()
	cases, err := options{cases: "full,calm,flood"}.choose()
	if err != nil {
		t.Fatal(err)
	}
	r := &run{options: options{budgets: true}, cases: cases, samples: make(map[string]map[string][]sample), idle: make(map[string]int64)}
	for _, round := range []time.Duration{1, 2} {
		r.add("full", "gate", sample{CPU: 90 * round * time.Microsecond, Memory: 30 << 20})
		r.add("full", "bare", sample{CPU: 100 * round * time.Microsecond})
		r.add("calm", "gate-guard", sample{P99: 10 * round * time.Millisecond})
		r.add("flood", "gate-guard", sample{P99: 30 * round * time.Millisecond})
		r.add("fresh", "gate-guard", sample{})
		r.add("fresh", "nginx", sample{CPU: 100 * time.Microsecond})
		r.add("flood", "haproxy", sample{P99: 40 * round * time.Millisecond})
	}
	return r
}

func TestText(t *testing.T) {
	text := made(t).text(true)
	for _, want := range []string{
		"![Genuine updates, at full load](benchmarks/full.svg)",
		"| this gate | 0.900 | 135 (90.0–180) | – | – |",
		"| this gate | 0 | 30.0 |", // memory
		"| genuine, full load: CPU by bare Caddy's | 0.950 | 0.900 | yes |",
		"flood guard: CPU by nginx's | 0.100 | 0 | yes |",
		"p99 by its own without flood | 2.00 | 3.00 | no |",
		"p99 by HAProxy's | 1.00 | 0.750 | yes |",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
	for _, other := range []string{"header matcher's", "calm.svg", "### Reloads"} {
		if strings.Contains(text, other) {
			t.Errorf("%q, though there is nothing to tell, in\n%s", other, text)
		}
	}
}

func TestBudgetOfReloads(t *testing.T) {
	r := made(t)
	live := func(heap int64) *contender.Live { return &contender.Live{Heap: heap} }
	r.reloads = map[string]reloads{reloadsGate: {Times: 200, Wrong: 1, Before: holding{Live: live(100)}, After: holding{Live: live(120)}}}
	table := r.budgetsTable().String()
	for _, want := range []string{"| 0, 0, 0 | 0, 1, 0 | no |", "| 1.10 | 1.20 | no |"} {
		if !strings.Contains(table, want) {
			t.Errorf("no %q in\n%s", want, table)
		}
	}
}

// All contenders in Go run, answer as they should and are measured.
func TestRun(t *testing.T) {
	var out bytes.Buffer
	o := options{rounds: 1, duration: 50 * time.Millisecond, cases: "full,open,fresh,flood,variants",
		contenders: "gate,gate-guard,gate-both,gate-1000,bare,matcher,go"}
	if err := runAll(context.Background(), o, &out); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"### Genuine updates, at full load", "| this gate, flood guard |", "| Go bot, go-telegram/bot |", "### Memory"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("no %q in\n%s", want, &out)
		}
	}
}

// Answers that are not what the case is about are an error, and not a figure.
func TestCheck(t *testing.T) {
	matcher := &contender.Running{Contender: contender.Find("matcher")}
	guard := &contender.Running{Contender: contender.Find("gate-guard")}
	genuine, forged := load.Job{}, load.Job{Forged: true}
	for _, test := range []struct {
		name   string
		on     *contender.Running
		job    load.Job
		result load.Result
		ok     bool
	}{
		{"passed", matcher, genuine, load.Result{Status: map[int]int{200: 5}}, true},
		{"one refused", matcher, genuine, load.Result{Status: map[int]int{200: 5, 403: 1}}, false},
		{"refused", matcher, forged, load.Result{Status: map[int]int{403: 5}}, true},
		{"one forged through", matcher, forged, load.Result{Status: map[int]int{403: 5, 200: 1}}, false},
		{"dropped", matcher, forged, load.Result{Status: map[int]int{403: 5}, Dropped: 1}, false},
		{"dropped by the guard", guard, forged, load.Result{Dropped: 5}, true},
		{"lost", matcher, genuine, load.Result{Status: map[int]int{200: 5}, Lost: 1}, false},
		{"nothing", matcher, genuine, load.Result{}, false},
	} {
		if err := check(test.on, test.job, &test.result); (err == nil) != test.ok {
			t.Errorf("%s: got %v", test.name, err)
		}
	}
}
