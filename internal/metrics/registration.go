package metrics

import (
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/caddy-telegram/telegramwebhook/internal/registrar"
)

var (
	setWebhook = counter("set_webhook_total", "Calls of setWebhook by result: ok, the code of a refusal, or unreachable.", "name", "result")

	registered = gauge("registered", "1 while Telegram has the webhook as configured, as far as is known, else 0.")
	contested  = gauge("contested", "1 while somebody else keeps registering the bot, and it is left alone, else 0.")
	pending    = gauge("pending_updates", "Updates that Telegram has not delivered yet, as it last said.")
	lastError  = gauge("last_error_timestamp_seconds", "When Telegram last failed to deliver an update, in Unix time; 0 for never.")
)

// uses counts the configurations that keep a webhook of a name registered.
var uses struct {
	sync.Mutex
	of map[string]int
}

// Use keeps the gauges of the webhook of that name until it is given back: what
// is not kept registered any more must not be measured as if it were.
func Use(name string) (giveBack func()) {
	uses.Lock()
	defer uses.Unlock()
	if uses.of == nil {
		uses.of = make(map[string]int)
	}
	uses.of[name]++
	return sync.OnceFunc(func() {
		uses.Lock()
		defer uses.Unlock()
		if uses.of[name]--; uses.of[name] > 0 {
			return
		}
		delete(uses.of, name)
		for _, gauge := range []*prometheus.GaugeVec{registered, contested, pending, lastError} {
			gauge.DeleteLabelValues(name)
		}
	})
}

// Observe records how the registration of the webhook of that name stands.
func Observe(name string, s registrar.Status) {
	registered.WithLabelValues(name).Set(one(s.State == registrar.Registered))
	contested.WithLabelValues(name).Set(one(s.State == registrar.Contested))
	if s.InfoAt.IsZero() || s.State == registrar.Deleted {
		pending.DeleteLabelValues(name) // nobody has said
		lastError.DeleteLabelValues(name)
	} else {
		pending.WithLabelValues(name).Set(float64(s.Info.PendingUpdateCount))
		lastError.WithLabelValues(name).Set(unix(s.Info.LastErrorDate))
	}
	if s.Result != "" {
		setWebhook.WithLabelValues(name, s.Result).Inc()
	}
}

func one(is bool) float64 {
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
