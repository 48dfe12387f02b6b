// Package metrics defines every metric of the module, as a row in the tables of counters
// and gauges. The metrics are in Caddy's own Prometheus registry.
package metrics

import (
	"errors"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
)

const prefix = "caddy_telegram_webhook_"

// counters collects the variables below for Register.
var counters []prometheus.Collector

// Counters of past events. Caddy makes a new registry for each configuration; the
// counters belong to the process, so that they survive a reload.
var (
	Requests   = counter("requests_total", "Requests to the webhook by result: passed, or why one was refused.", "name", "result")
	SetWebhook = counter("set_webhook_total", "Calls of setWebhook by result: ok, the code of a refusal, or unreachable.", "name", "result")
	Rotations  = counter("rotations_total", "Rotations of the secret by result: ok, or failed for an attempt that is made again.", "name", "result")
	Dropped    = counter("dropped_connections_total", "Connections that the listener wrapper has dropped: address if theirs is not among those that may connect, penalty if it has forged too often.", "reason")
	Deliveries = histogram("delivery_duration_seconds", "Time from a request that passed to the end of the answer, by the status code that Telegram got; none if the answer broke off.", "name", "code")
)

func counter(name, help string, labels ...string) *prometheus.CounterVec {
	c := prometheus.NewCounterVec(prometheus.CounterOpts{Name: prefix + name, Help: help}, labels)
	counters = append(counters, c)
	return c
}

// histogram covers times from a few milliseconds to the minute that Telegram waits.
func histogram(name, help string, labels ...string) *prometheus.HistogramVec {
	h := prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name: prefix + name, Help: help, Buckets: []float64{.005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60},
	}, labels)
	counters = append(counters, h)
	return h
}

// Register adds the metrics to a configuration's registry. current provides the values of the gauges.
func Register(registry *prometheus.Registry, current Current) error {
	err := registry.Register(gaugeCollector{current})
	for _, c := range counters {
		err = errors.Join(err, registry.Register(c))
	}
	return err
}

// Webhook holds the counters of one webhook. For looks up the counters of the results
// once, so that a refusal takes no lock.
type Webhook struct {
	results  []prometheus.Counter
	delivery prometheus.ObserverVec
}

// For returns the counters of the named webhook, with one for each result.
func For(name string, results []string) *Webhook {
	m := &Webhook{delivery: Deliveries.MustCurryWith(prometheus.Labels{"name": name})}
	for _, result := range results {
		m.results = append(m.results, Requests.WithLabelValues(name, result))
	}
	return m
}

// Count counts a request with the result at that index.
func (m *Webhook) Count(result int) { m.results[result].Inc() }

// Counts returns how many requests had each of the results.
func (m *Webhook) Counts(results []string) map[string]uint64 {
	counts := make(map[string]uint64, len(results))
	for i, result := range results {
		counts[result] = Value(m.results[i])
	}
	return counts
}

// Value returns the value of a counter.
func Value(c prometheus.Counter) uint64 {
	var metric dto.Metric
	_ = c.Write(&metric) // a counter never fails
	return uint64(metric.GetCounter().GetValue())
}

// Delivered records the duration of a delivery that ended with the status.
func (m *Webhook) Delivered(status int, took time.Duration) {
	m.delivery.WithLabelValues(code(status)).Observe(took.Seconds())
}

// code limits the number of label values, since a bot can answer with any status.
func code(status int) string {
	if status == 0 {
		return "none"
	}
	if status < 100 || status > 599 {
		return "other"
	}
	return strconv.Itoa(status)
}
