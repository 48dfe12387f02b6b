package main

import (
	"fmt"

	"github.com/caddy-telegram/telegramwebhook/bench/internal/report"
	"github.com/caddy-telegram/telegramwebhook/bench/internal/stats"
)

// A budget is what this gate may cost at most. What was measured is judged by the
// median.
type budget struct {
	What     string
	Limit    float64
	measured func(*run) []float64 // by round; none if it was not measured
}

// cpuRatio is the CPU of a contender by that of another one.
func cpuRatio(of, contender, other string) func(*run) []float64 {
	return func(r *run) []float64 { return r.ratios(of, contender, other, cpu) }
}

var budgets = []budget{
	{"genuine, full load: CPU by bare Caddy's", 0.95, cpuRatio("full", "gate", "bare")},
	{"the same with placeholders and dedupe", 1.05, cpuRatio("variants", "gate-both", "bare")},
	{"forged, open connection: CPU by the header matcher's", 0.90, cpuRatio("open", "gate", "matcher")},
	{"the same with an access log", 0.60, cpuRatio("open-log", "gate-log", "matcher-log")},
	{"forged, fresh connection, flood guard: CPU by nginx's", 1.0 / 10, cpuRatio("fresh", "gate-guard", "nginx")},
	{"genuine under flood, flood guard: p99 by its own without flood", 2, func(r *run) []float64 {
		return stats.Ratios(r.of("flood", "gate-guard", p99), r.of("calm", "gate-guard", p99))
	}},
	{"the same: p99 by HAProxy's", 1, func(r *run) []float64 { return r.ratios("flood", "gate-guard", "haproxy", p99) }},
}

// budgetsTable judges what was measured of the budgets.
func (r *run) budgetsTable() *report.Table {
	t := &report.Table{Header: []string{"", "at most", "measured", "met"}}
	for _, b := range budgets {
		if measured := b.measured(r); len(measured) > 0 {
			s := stats.Of(measured)
			t.Add(b.What, report.Number(b.Limit), report.Show(s), met(s.Median <= b.Limit))
		}
	}
	v, ok := r.reloads[reloadsGate]
	if !ok {
		return t
	}
	t.Add(fmt.Sprintf("%d reloads under load: lost, wrongly refused, setWebhook calls", v.Times), "0, 0, 0",
		fmt.Sprintf("%d, %d, %d", v.Lost, v.Wrong, v.Calls), met(v.Lost+v.Wrong+v.Calls == 0))
	growth := float64(v.After.Live.Heap) / float64(v.Before.Live.Heap)
	t.Add("the same: live heap afterwards by that before", report.Number(heapGrowth), report.Number(growth), met(growth <= heapGrowth))
	return t
}

// heapGrowth allows for what a heap differs by from one moment to the next.
const heapGrowth = 1.1

func met(is bool) string {
	if is {
		return "yes"
	}
	return "no"
}
