package main

import (
	"bytes"
	"net/http"
	"net/http/httptest"
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

// Every case names contenders that exist, and its reference is one of them.
func TestCases(t *testing.T) {
	contenders := make(map[string][]string)
	for _, c := range allCases() {
		contenders[c.Name] = c.Contenders
		for _, name := range c.Contenders {
			if contender.Find(name) == nil {
				t.Errorf("%s: unknown contender %q", c.Name, name)
			}
		}
		if !slices.Contains(c.Contenders, c.Reference) || c.Compared.of == nil {
			t.Errorf("%s: compares %q with %q", c.Name, c.Compared.Name, c.Reference)
		}
	}
	for _, b := range budgets {
		if !slices.Contains(contenders[b.Case], b.Contender) || !slices.Contains(contenders[b.Case], b.Reference) {
			t.Errorf("budget %q: %q and %q are not both in the case %q", b.Name, b.Contender, b.Reference, b.Case)
		}
	}
	for _, name := range reloaded {
		if c := contender.Find(name); c == nil || !c.Reloads() {
			t.Errorf("%q cannot reload", name)
		}
	}
}

func TestSelectCases(t *testing.T) {
	for _, o := range []options{{cases: "nothing"}, {contenders: "gate,nobody"}} {
		if _, err := o.selectCases(); err == nil {
			t.Errorf("no error for %+v", o)
		}
	}
	selected, err := options{cases: "open,full", contenders: "bare,gate"}.selectCases()
	if err != nil || len(selected) != 2 {
		t.Fatal(selected, err)
	}
	if selected[0].Name != "full" || !slices.Equal(selected[0].Contenders, []string{"gate", "bare"}) {
		t.Errorf("got %+v", selected[0])
	}
	if !slices.Equal(selected[1].Contenders, []string{"gate"}) {
		t.Errorf("got %+v", selected[1])
	}
}

func TestNewAddresses(t *testing.T) {
	seen := make(map[string]bool)
	for range 500 {
		for _, a := range newAddresses() {
			if !a.IsLoopback() || a.String() == "127.0.0.1" || seen[a.String()] {
				t.Fatal(a)
			}
			seen[a.String()] = true
		}
	}
}

// finishedRun returns a run of two rounds with invented samples.
func finishedRun(t *testing.T) *run {
	t.Helper()
	cases, err := options{cases: "full,flood"}.selectCases()
	if err != nil {
		t.Fatal(err)
	}
	r := &run{cases: cases, samples: make(map[string]map[string][]sample), idle: make(map[string]int64)}
	for _, round := range []time.Duration{1, 2} {
		r.add("full", "gate", sample{CPU: 90 * round * time.Microsecond, Memory: 30 << 20})
		r.add("full", "bare", sample{CPU: 100 * round * time.Microsecond})
		r.add("variants", "gate-both", sample{CPU: 120 * round * time.Microsecond})
		r.add("variants", "bare", sample{CPU: 100 * round * time.Microsecond})
		r.add("flood", "gate-guard", sample{P99: 30 * round * time.Millisecond})
		r.add("flood", "haproxy", sample{P99: 40 * round * time.Millisecond})
	}
	return r
}

func TestText(t *testing.T) {
	text := finishedRun(t).text(true)
	for _, want := range []string{
		"![Genuine updates at full load](benchmarks/full.svg)",
		"| this gate | 0.900 | 135 (90.0–180) | – | – |",
		"| this gate, flood guard | 0.750 | 0 |",
		"| this gate | 0 | 30.0 |", // memory
		"| genuine update, × bare Caddy | 1.00 | 0.900 | yes |",
		"| genuine update with placeholders and dedupe, × bare Caddy | 1.10 | 1.20 | no |",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
	for _, unwanted := range []string{"× header matcher |", "allocations", "### Reloads"} {
		if strings.Contains(text, unwanted) {
			t.Errorf("%q, which was not measured, in\n%s", unwanted, text)
		}
	}
}

func TestOtherBudgets(t *testing.T) {
	r := finishedRun(t)
	r.allocations = "1"
	r.reloads = map[string]reloads{reloadedGate: {Times: 100, Repeated: 2}}
	table := r.budgetTable().String()
	for _, want := range []string{"| allocations of the check | 0 | 1 | no |", "| 0, 0, 0 | 0, 0, 2 | no |"} {
		if !strings.Contains(table, want) {
			t.Errorf("no %q in\n%s", want, table)
		}
	}
}

func TestMostAllocations(t *testing.T) {
	output := "goos: linux\nBenchmarkVerify/right-2 \t 10000\t 88.6 ns/op\t 0 B/op\t 0 allocs/op\n" +
		"BenchmarkVerify/wrong-2 \t 10000\t 80.0 ns/op\t 96 B/op\t 12 allocs/op\nPASS\n"
	if n, err := mostAllocations([]byte(output)); err != nil || n != "12" {
		t.Errorf("got %q, %v", n, err)
	}
	if n, err := mostAllocations([]byte("PASS\n")); err == nil {
		t.Errorf("got %q without a benchmark", n)
	}
}

// The case poll has a table and a budget of its own.
func TestPollTable(t *testing.T) {
	r := &run{samples: make(map[string]map[string][]sample)}
	r.add(pollName, "itself", sample{Rate: 1000, P50: time.Millisecond, Answer50: 500 * time.Microsecond})
	r.add(pollName, "poll", sample{Rate: 500, P99: 9 * time.Millisecond})
	r.add(pollName, "itself-idle", sample{Rate: 8000})
	r.add(pollName, "poll-idle", sample{Rate: 2000})
	text := r.text(false)
	for _, want := range []string{
		"| it polls by itself | 1.00 | 1000 | 1.00 | – | 0.500 | – |",
		"| this gate polls | 0.500 | 500 | – | 9.00 | – | – |",
		"| does nothing, this gate polls | 0.250 |",
		"× with poll | 1.25 | 2.00 | no |",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
	if strings.Contains(text, "webhook") {
		t.Errorf("what was not measured in\n%s", text)
	}
}

// The stand-in keeps when getUpdates first returned an update.
func TestFetched(t *testing.T) {
	a := newPolledAPI()
	defer a.Close()
	a.fetched([]byte(`{"ok":true,"result":[{"update_id":7,"message":{}},{"update_id":8,"message":{}}]}`))
	_, first := a.times()
	a.fetched([]byte(`{"ok":true,"result":[{"update_id":8,"message":{}},{"update_id":9,"message":{}}]}`))
	if _, answered := a.times(); len(first) != 2 || len(answered) != 3 || !answered[8].Equal(first[8]) {
		t.Errorf("got %v, then %v", first, answered)
	}
}

// The bot counts an update that it receives twice.
func TestCount(t *testing.T) {
	server := httptest.NewServer(newUpstream())
	defer server.Close()
	for _, id := range []string{"1", "2", "1"} {
		resp, err := http.Post(server.URL+countedPath, "application/json", strings.NewReader(`{"update_id":`+id+`}`))
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != http.StatusOK {
			t.Fatal(resp.Status)
		}
	}
	for _, want := range []count{{Updates: 2, Repeated: 1}, {}} {
		if got, err := readCount(server.Listener.Addr().String()); err != nil || got != want {
			t.Errorf("got %+v, %v, want %+v", got, err, want)
		}
	}
}

// All contenders in Go start, answer as they should and are measured.
func TestRun(t *testing.T) {
	var out bytes.Buffer
	o := options{rounds: 1, duration: 50 * time.Millisecond, cases: "full,variants,open,fresh,flood",
		contenders: "gate,gate-guard,gate-both,bare,bare-defaults,matcher,go"}
	if err := runAll(t.Context(), o, &out); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"### Budgets", "### Genuine updates at full load", "| this gate, flood guard |", "| Go bot, go-telegram/bot |", "### Memory"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("no %q in\n%s", want, &out)
		}
	}
}

// An unexpected answer is an error.
func TestCheckResult(t *testing.T) {
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
		if err := checkResult(test.on, test.job, &test.result); (err == nil) != test.ok {
			t.Errorf("%s: got %v", test.name, err)
		}
	}
}
