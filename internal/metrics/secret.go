package metrics

import (
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

var (
	rotations = counter("rotations_total", "Rotations of the secret by result: ok, or failed for an attempt that is made again.", "name", "result")

	ages = &secretAges{made: make(map[string]*madeAt)}
)

// Rotated counts what a rotation came to.
func Rotated(name, result string) { rotations.WithLabelValues(name, result).Inc() }

// SecretMade has the age of a webhook's secret measured, by when it was made,
// which is zero while that is not known. It returns what ends that.
func SecretMade(name string, made func() time.Time) (end func()) {
	at := &madeAt{made}
	ages.mu.Lock()
	defer ages.mu.Unlock()
	ages.made[name] = at
	return func() {
		ages.mu.Lock()
		defer ages.mu.Unlock()
		if ages.made[name] == at { // and not that of a newer configuration
			delete(ages.made, name)
		}
	}
}

// secretAges is a gauge whose values are those of the moment it is asked.
type secretAges struct {
	mu   sync.Mutex
	made map[string]*madeAt
}

type madeAt struct{ when func() time.Time }

var ageDesc = prometheus.NewDesc(prometheus.BuildFQName(namespace, subsystem, "secret_age_seconds"),
	"How long ago the secret that is registered was made; only for a kept secret.", []string{"name"}, nil)

// Describe satisfies prometheus.Collector.
func (*secretAges) Describe(descs chan<- *prometheus.Desc) { descs <- ageDesc }

// Collect satisfies prometheus.Collector.
func (a *secretAges) Collect(metrics chan<- prometheus.Metric) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for name, made := range a.made {
		if at := made.when(); !at.IsZero() {
			metrics <- prometheus.MustNewConstMetric(ageDesc, prometheus.GaugeValue, time.Since(at).Seconds(), name)
		}
	}
}
