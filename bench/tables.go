package main

import (
	"fmt"

	"github.com/caddy-telegram/telegramwebhook/bench/internal/contender"
	"github.com/caddy-telegram/telegramwebhook/bench/internal/report"
	"github.com/caddy-telegram/telegramwebhook/bench/internal/stats"
)

// table returns the table of a case.
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
			ratio = report.Show(stats.Of(r.ratios(c.Name, name, c.Reference, c.Compared)))
		}
		row := []string{label(name), ratio}
		for _, f := range figures {
			row = append(row, show(f, r.spread(c.Name, name, f)))
		}
		t.Add(row...)
	}
	return t
}

// show leaves out the latency where nothing was answered.
func show(f figure, s stats.Spread) string {
	if f.Unit == "ms" && s == (stats.Spread{}) {
		return "–"
	}
	return report.Show(s)
}

// plot returns the plot of the figure that a case compares.
func (r *run) plot(c *benchCase) *report.Plot {
	p := &report.Plot{Title: c.Title + ": " + c.Compared.Name, Unit: c.Compared.Unit}
	for _, name := range c.Contenders {
		p.Bars = append(p.Bars, report.Bar{Label: label(name), Spread: r.spread(c.Name, name, c.Compared), Ours: contender.Find(name).Gate})
	}
	return p
}

// memoryTable has a row for each contender that was measured.
func (r *run) memoryTable() *report.Table {
	t := &report.Table{Header: []string{"", "idle, MiB", "at peak, MiB"}}
	for _, c := range contender.All() {
		if peak := r.peak(c.Name); peak > 0 {
			t.Add(c.Label, report.Number(mib(r.idle[c.Name])), report.Number(mib(peak)))
		}
	}
	return t
}

func (r *run) reloadTable() *report.Table {
	t := &report.Table{Header: []string{"", "reloads", "updates", "lost", "refused", "repeated", "sent again by Telegram"}}
	for _, name := range reloaded {
		if v, ok := r.reloads[name]; ok {
			row := []string{label(name)}
			for _, n := range []int{v.Times, v.Updates, v.Lost, v.Refused, v.Repeated, v.Resent} {
				row = append(row, fmt.Sprint(n))
			}
			t.Add(row...)
		}
	}
	return t
}
