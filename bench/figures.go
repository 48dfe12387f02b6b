package main

import (
	"time"

	"github.com/caddy-telegram/telegramwebhook/bench/internal/contender"
	"github.com/caddy-telegram/telegramwebhook/bench/internal/stats"
)

// A figure is a column of a table: a number of each sample.
type figure struct {
	Name, Unit string
	of         func(sample) float64
}

var (
	cpu         = figure{"CPU per request", "µs", func(s sample) float64 { return float64(s.CPU) / float64(time.Microsecond) }}
	p50         = figure{"p50", "ms", func(s sample) float64 { return float64(s.P50) / float64(time.Millisecond) }}
	p99         = figure{"p99", "ms", func(s sample) float64 { return float64(s.P99) / float64(time.Millisecond) }}
	rate        = figure{"requests", "1/s", func(s sample) float64 { return s.Rate }}
	forgeryRate = figure{"forgeries", "1/s", func(s sample) float64 { return s.Flood }}
)

func (f figure) String() string { return f.Name + ", " + f.Unit }

// of returns a figure of each round.
func (r *run) of(name, contender string, f figure) (values []float64) {
	for _, s := range r.samples[name][contender] {
		values = append(values, f.of(s))
	}
	return values
}

func (r *run) spread(name, contender string, f figure) stats.Spread {
	return stats.Of(r.of(name, contender, f))
}

// ratios divides a figure of one contender by that of another, round by round.
func (r *run) ratios(name, contender, other string, f figure) []float64 {
	return stats.Ratios(r.of(name, contender, f), r.of(name, other, f))
}

// peak returns the most memory that a contender held in a measurement.
func (r *run) peak(name string) (bytes int64) {
	for _, of := range r.samples {
		for _, s := range of[name] {
			bytes = max(bytes, s.Memory)
		}
	}
	return bytes
}

func label(name string) string { return contender.Find(name).Label }

func mib(bytes int64) float64 { return float64(bytes) / (1 << 20) }
