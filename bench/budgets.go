package main

import (
	"fmt"
	"slices"

	"github.com/caddy-telegram/telegramwebhook/bench/internal/report"
	"github.com/caddy-telegram/telegramwebhook/bench/internal/stats"
)

// A budget is the most that the gate may cost: the median of its CPU per request
// divided by that of another contender.
type budget struct {
	Name      string
	Limit     float64
	Case      string
	Contender string
	Reference string
}

var budgets = []budget{
	{"genuine update, × bare Caddy", 1.0, "full", "gate", "bare"},
	{"genuine update with placeholders and dedupe, × bare Caddy", 1.1, "variants", "gate-both", "bare"},
	{"refusal on an open connection, × header matcher", 1.1, "open", "gate", "matcher"},
	{"the same with an access log, × header matcher with an access log", 0.6, "open-log", "gate-log", "matcher-log"},
	{"forgery on a fresh connection from a penalized address, × nginx", 0.1, "fresh", "gate-guard", "nginx"},
}

// budgetTable compares the measurements with the budgets. It leaves out what was
// not measured.
func (r *run) budgetTable() *report.Table {
	t := &report.Table{Header: []string{"", "at most", "measured", "met"}}
	for _, b := range append(slices.Clone(budgets), pollBudget) {
		compared := cpu
		if b == pollBudget {
			compared = rate
		}
		if ratios := r.ratios(b.Case, b.Contender, b.Reference, compared); len(ratios) > 0 {
			s := stats.Of(ratios)
			t.Add(b.Name, report.Number(b.Limit), report.Show(s), met(s.Median <= b.Limit))
		}
	}
	if r.allocations != "" {
		t.Add("allocations of the check", "0", r.allocations, met(r.allocations == "0"))
	}
	if v, ok := r.reloads[reloadedGate]; ok {
		t.Add(fmt.Sprintf("%d reloads under load: updates lost, refused, repeated", v.Times), "0, 0, 0",
			fmt.Sprintf("%d, %d, %d", v.Lost, v.Refused, v.Repeated), met(v.Lost+v.Refused+v.Repeated == 0))
	}
	return t
}

func met(ok bool) string {
	if ok {
		return "yes"
	}
	return "no"
}
