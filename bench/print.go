package main

import (
	"fmt"
	"io"
	"time"

	"github.com/caddy-telegram/telegramwebhook/bench/internal/stats"
)

// of returns one figure of every round.
func of(samples []sample, figure func(sample) float64) (values []float64) {
	for _, s := range samples {
		values = append(values, figure(s))
	}
	return values
}

func cpu(s sample) float64  { return float64(s.CPU) / float64(time.Microsecond) }
func p50(s sample) float64  { return float64(s.P50) / float64(time.Millisecond) }
func p99(s sample) float64  { return float64(s.P99) / float64(time.Millisecond) }
func rate(s sample) float64 { return s.Rate }

// print writes a table for every case.
func (r *run) print(w io.Writer) error {
	for _, c := range r.cases {
		fmt.Fprintf(w, "\n### %s\n\n| | CPU per request, µs | × %s | p50, ms | p99, ms | per second |\n|---|---|---|---|---|---|\n", c.Title, c.Reference)
		all := r.samples[c.Name]
		for _, name := range c.Contenders {
			s := all[name]
			ratio := stats.Of(stats.Ratios(of(s, cpu), of(all[c.Reference], cpu)))
			fmt.Fprintf(w, "| %s | %s | %s | %s | %s | %.0f |\n", name, show(stats.Of(of(s, cpu)), 1), show(ratio, 2),
				show(stats.Of(of(s, p50)), 2), show(stats.Of(of(s, p99)), 2), stats.Of(of(s, rate)).Median)
		}
	}
	return nil
}

func show(s stats.Spread, digits int) string {
	return fmt.Sprintf("%.*f (%.*f–%.*f)", digits, s.Median, digits, s.Min, digits, s.Max)
}
