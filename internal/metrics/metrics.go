// Package metrics defines every metric of the module, as a row in the tables of counters
// and gauges. The metrics are in Caddy's own Prometheus registry.
package metrics

import (
	"cmp"
	"errors"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"

	"github.com/caddy-telegram/telegramwebhook/internal/status"
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

// Current provides the state of the current configuration for the gauges.
type Current interface {
	// States returns the state of each webhook.
	States() []State

	// CountBarred returns how many addresses may not connect; ok is false without a listener wrapper.
	CountBarred() (n int, ok bool)
}

// State is the state of a webhook.
type State = status.Webhook

// gauges holds the gauges. Each has a value for every webhook whose value is known.
var gauges = []struct {
	*prometheus.Desc
	value func(State) (value float64, known bool)
}{
	{gauge("ready", "1 while this node can judge requests: the secrets are in memory, or the updates are fetched, else 0."),
		func(s State) (float64, bool) { return number(s.Ready), true }},
	{gauge("registered", "1 while Telegram has the webhook as configured, as far as is known, else 0."),
		func(s State) (float64, bool) { return number(s.State == status.Registered), attempted(s) }},
	{gauge("contested", "1 while somebody else keeps registering the bot, and it is left alone, else 0."),
		func(s State) (float64, bool) { return number(s.State == status.Contested), attempted(s) }},
	{gauge("pending_updates", "Updates that Telegram has not delivered yet, as it last said, or that were fetched and not taken."),
		func(s State) (float64, bool) {
			return float64(told(s).Pending + fetched(s).Waiting), s.Telegram != nil || s.Polling != nil
		}},
	{gauge("last_error_timestamp_seconds", "When Telegram last failed to deliver an update, in Unix time; 0 for never."),
		func(s State) (float64, bool) { return unix(told(s).LastErrorAt), s.Telegram != nil }},
	{gauge("polling", "1 while this node fetches the updates, 0 while another one does or it fails."),
		func(s State) (float64, bool) { return number(s.State == status.Polling), s.Polling != nil }},
	{gauge("last_fetch_timestamp_seconds", "When Telegram last answered getUpdates, in Unix time; 0 for never."),
		func(s State) (float64, bool) { return unix(fetched(s).FetchedAt), s.Polling != nil }},
	{gauge("storage_away", "1 while this node cannot read Caddy's storage, else 0."),
		func(s State) (float64, bool) { return number(s.Storage.Away()), s.Storage != nil }},
	{gauge("secret_age_seconds", "How long ago the secret that is registered was made; only for kept secrets."),
		func(s State) (float64, bool) { return time.Since(s.Secret.Made).Seconds(), !s.Secret.Made.IsZero() }},
}

// attempted reports whether an attempt to register the webhook has ended.
func attempted(s State) bool {
	return s.State != status.Unmanaged && s.State != status.Pending && s.Polling == nil
}

// told returns Telegram's last answer, or the zero value if there is none.
func told(s State) status.Telegram { return *cmp.Or(s.Telegram, new(status.Telegram)) }

// fetched returns the state of the poller, or the zero value if there is none.
func fetched(s State) status.Fetching { return *cmp.Or(s.Polling, new(status.Fetching)) }

var penalized = prometheus.NewDesc(prefix+"penalized_addresses", "Addresses that may not connect since they have forged too often.", nil, nil)

func gauge(name, help string) *prometheus.Desc {
	return prometheus.NewDesc(prefix+name, help, []string{"name"}, nil)
}

// gaugeCollector computes the gauges at each scrape.
type gaugeCollector struct{ current Current }

// Describe satisfies prometheus.Collector.
func (gaugeCollector) Describe(descs chan<- *prometheus.Desc) {
	for _, g := range gauges {
		descs <- g.Desc
	}
	descs <- penalized
}

// Collect satisfies prometheus.Collector.
func (c gaugeCollector) Collect(metrics chan<- prometheus.Metric) {
	measured := make(map[string]bool) // webhooks with the same name are measured once
	for _, s := range c.current.States() {
		if measured[s.Name] {
			continue
		}
		measured[s.Name] = true
		for _, g := range gauges {
			if value, known := g.value(s); known {
				metrics <- prometheus.MustNewConstMetric(g.Desc, prometheus.GaugeValue, value, s.Name)
			}
		}
	}
	if n, ok := c.current.CountBarred(); ok {
		metrics <- prometheus.MustNewConstMetric(penalized, prometheus.GaugeValue, float64(n))
	}
}

func number(is bool) float64 {
	if is {
		return 1
	}
	return 0
}

func unix(t time.Time) float64 {
	if t.IsZero() {
		return 0
	}
	return float64(t.Unix())
}
