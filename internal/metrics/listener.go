package metrics

import (
	"errors"

	"github.com/prometheus/client_golang/prometheus"
)

var dropped = counter("dropped_connections_total", "Connections that the listener wrapper has dropped: address if theirs is not among those that may connect, penalty if it has forged too often.", "reason")

// Dropped counts a connection that was dropped.
func Dropped(reason string) { dropped.WithLabelValues(reason).Inc() }

// DroppedBy returns how many connections were dropped for each of the reasons.
func DroppedBy(reasons []string) map[string]uint64 {
	counts := make(map[string]uint64, len(reasons))
	for _, reason := range reasons {
		counts[reason] = value(dropped.WithLabelValues(reason))
	}
	return counts
}

// RegisterListener adds the collectors of the listener wrapper to a configuration's
// registry, with a count for each reason; penalized is asked how many addresses
// may not connect.
func RegisterListener(registry *prometheus.Registry, reasons []string, penalized func() int) error {
	for _, reason := range reasons {
		dropped.WithLabelValues(reason)
	}
	gauge := prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Namespace: namespace,
		Subsystem: subsystem,
		Name:      "penalized_addresses",
		Help:      "Addresses that may not connect since they have forged too often.",
	}, func() float64 { return float64(penalized()) })
	for _, c := range []prometheus.Collector{dropped, gauge} {
		var already prometheus.AlreadyRegisteredError
		if err := registry.Register(c); err != nil && !errors.As(err, &already) {
			return err
		}
	}
	return nil
}
