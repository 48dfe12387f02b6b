package main

import (
	"fmt"
	"slices"

	"github.com/caddy-telegram/telegramwebhook/bench/internal/contender"
	"github.com/caddy-telegram/telegramwebhook/bench/internal/report"
	"github.com/caddy-telegram/telegramwebhook/bench/internal/stats"
)

// table is what a case has found.
func (r *run) table(c *benchCase) *report.Table {
	figures := []figure{cpu, p50, p99, rate}
	if c.Flooded {
		figures = append(figures, forgeryRate)
	}
	t := &report.Table{Header: []string{"", c.Compared.Name + " × " + label(c.Reference)}}
	for _, f := range figures {
		t.Header = append(t.Header, f.String())
	}
	for _, name := range c.Contenders {
		ratio := "–"
		if len(r.samples[c.Name][c.Reference]) > 0 {
			ratio = report.Show(r.ratio(c.Name, name, c.Reference, c.Compared))
		}
		row := []string{label(name), ratio}
		for _, f := range figures {
			row = append(row, show(f, r.spread(c.Name, name, f)))
		}
		t.Add(row...)
	}
	return t
}

// show leaves out how long answers took where there were none.
func show(f figure, s stats.Spread) string {
	if f.Unit == "ms" && s == (stats.Spread{}) {
		return "–"
	}
	return report.Show(s)
}

// plot shows what a case compares.
func (r *run) plot(c *benchCase) *report.Plot {
	p := &report.Plot{Title: c.Title + ": " + c.Compared.Name, Unit: c.Compared.Unit}
	for _, name := range c.Contenders {
		p.Bars = append(p.Bars, report.Bar{Label: label(name), Spread: r.spread(c.Name, name, c.Compared), Ours: ours(name)})
	}
	return p
}

// ours reports whether a contender is this gate.
func ours(name string) bool { return contender.Find(name).Gate }

// memoryTable has a row for each contender that was loaded.
func (r *run) memoryTable() *report.Table {
	t := &report.Table{Header: []string{"", "idle, MiB", "at peak, MiB"}}
	for _, c := range contender.All() {
		if peak := r.peak(c.Name); peak > 0 {
			t.Add(c.What, report.Number(mib(r.idle[c.Name])), report.Number(mib(peak)))
		}
	}
	return t
}

func (r *run) memoryPlot() *report.Plot {
	p := &report.Plot{Title: "Memory at peak", Unit: "MiB"}
	for _, c := range contender.All() {
		if peak := mib(r.peak(c.Name)); peak > 0 {
			p.Bars = append(p.Bars, report.Bar{Label: c.What, Spread: stats.Of([]float64{peak}), Ours: c.Gate})
		}
	}
	return p
}

func (r *run) reloadsTable() *report.Table {
	t := &report.Table{Header: []string{"", "reloads", "updates", "lost", "wrongly refused", "closed under a request", "new connection closed",
		"setWebhook calls", "memory, MiB", "live heap, MiB", "goroutines"}}
	for _, name := range reloaded {
		v, ok := r.reloads[name]
		if !ok {
			continue
		}
		heap, goroutines := "–", "–"
		if v.Before.Live != nil {
			heap = change(mib(v.Before.Live.Heap), mib(v.After.Live.Heap))
			goroutines = fmt.Sprintf("%d → %d", v.Before.Live.Goroutines, v.After.Live.Goroutines)
		}
		row := []string{label(name)}
		for _, n := range []int{v.Times, v.Requests, v.Lost, v.Wrong, v.Repeated, v.Rejected, v.Calls} {
			row = append(row, fmt.Sprint(n))
		}
		t.Add(slices.Concat(row, []string{change(mib(v.Before.Memory), mib(v.After.Memory)), heap, goroutines})...)
	}
	return t
}

func change(before, after float64) string {
	return report.Number(before) + " → " + report.Number(after)
}
