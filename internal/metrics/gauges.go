package metrics

import (
	"cmp"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/caddy-telegram/telegramwebhook/internal/status"
)

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
