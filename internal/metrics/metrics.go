// Package metrics counts what the webhooks of this process do, in Caddy's own
// Prometheus registry.
package metrics

import (
	"errors"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
)

// All names begin with these.
const (
	namespace = "caddy"
	subsystem = "telegram_webhook"
)

func counter(name, help string, labels ...string) *prometheus.CounterVec {
	return prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: namespace, Subsystem: subsystem, Name: name, Help: help}, labels)
}

// gauge has a value for each webhook, by its name.
func gauge(name, help string) *prometheus.GaugeVec {
	return prometheus.NewGaugeVec(prometheus.GaugeOpts{Namespace: namespace, Subsystem: subsystem, Name: name, Help: help}, []string{"name"})
}

// Caddy makes a new registry for each configuration. The collectors are those of
// the process, so that what they have counted survives a reload.
var (
	requests = counter("requests_total", "Requests to the webhook by result: passed, or why one was refused.", "name", "result")

	delivery = prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Namespace: namespace,
		Subsystem: subsystem,
		Name:      "delivery_duration_seconds",
		Help:      "Time from a request that passed to the end of the answer, by the status code that Telegram got; none if the answer broke off.",
		Buckets:   []float64{.005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60},
	}, []string{"name", "code"})
)

// Register adds the collectors to a configuration's registry. Every webhook of
// the configuration asks for it; the first does it for all.
func Register(registry *prometheus.Registry) error {
	for _, c := range []prometheus.Collector{requests, delivery, setWebhook, registered, contested, pending, lastError, rotations, ages} {
		err := registry.Register(c)
		if _, already := errors.AsType[prometheus.AlreadyRegisteredError](err); already {
			return nil
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// Webhook counts for one webhook. Its counters are looked up once, so that
// counting takes no lock.
type Webhook struct {
	results  []prometheus.Counter
	delivery prometheus.ObserverVec
	ok       func() prometheus.Observer // of nearly all deliveries
}

// For returns the counters of the webhook of that name, one for each result.
func For(name string, results []string) *Webhook {
	m := &Webhook{delivery: delivery.MustCurryWith(prometheus.Labels{"name": name})}
	for _, result := range results {
		m.results = append(m.results, requests.WithLabelValues(name, result))
	}
	m.ok = sync.OnceValue(func() prometheus.Observer { return m.delivery.WithLabelValues("200") })
	return m
}

// Count counts a request with the result of that index.
func (m *Webhook) Count(result int) { m.results[result].Inc() }

// Counts returns how many requests had each of the results.
func (m *Webhook) Counts(results []string) map[string]uint64 {
	counts := make(map[string]uint64, len(results))
	for i, result := range results {
		counts[result] = value(m.results[i])
	}
	return counts
}

func value(c prometheus.Counter) uint64 {
	var metric dto.Metric
	_ = c.Write(&metric) // a counter has no error
	return uint64(metric.GetCounter().GetValue())
}

// Delivered records how long a delivery took that ended with the status.
func (m *Webhook) Delivered(status int, took time.Duration) {
	if status == http.StatusOK {
		m.ok().Observe(took.Seconds())
		return
	}
	m.delivery.WithLabelValues(code(status)).Observe(took.Seconds())
}

// code keeps the label's values few, whatever a bot answers.
func code(status int) string {
	if status == 0 {
		return "none"
	}
	if status < 100 || status > 599 {
		return "other"
	}
	return strconv.Itoa(status)
}
