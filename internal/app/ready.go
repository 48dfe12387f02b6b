package app

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"time"

	"github.com/caddyserver/caddy/v2"

	"github.com/caddy-telegram/telegramwebhook/internal/registrar"
	"github.com/caddy-telegram/telegramwebhook/internal/status"
)

// isReady reports whether the webhook can judge requests, whoever holds the registration.
// Where updates are fetched, every request is refused; a webhook that was deleted has no
// secret, and gets no updates.
func (w *Webhook) isReady() bool {
	if w.polls() {
		return w.location.Load() != nil
	}
	running := w.registrar.Load()
	return w.Secrets.Known() || running != nil && running.Status().State == registrar.Deleted
}

// readTimeout is how long a probe waits for storage.
const readTimeout = 2 * time.Second

// ready answers a probe. A node that has just started, or that another node has superseded,
// may not have read its secrets. ready reads them, since a load balancer sends no request,
// which would do that, to a node that is not ready. The answer is no error of the admin API, which
// would log every probe.
func ready(w http.ResponseWriter, r *http.Request) error {
	answer := status.Ready{Error: findUnready(r.Context())}
	answer.Ready = answer.Error == ""
	w.Header().Set("Content-Type", "application/json")
	if !answer.Ready {
		w.WriteHeader(http.StatusServiceUnavailable)
	}
	return json.NewEncoder(w).Encode(answer)
}

// findUnready says why this node is not ready; empty if it is.
func findUnready(ctx context.Context) string {
	if caddy.ActiveContext().Context == nil {
		return "no configuration is active: Caddy starts or shuts down"
	}
	ctx, cancel := context.WithTimeout(ctx, readTimeout)
	defer cancel()
	var names []string
	for _, webhook := range current() {
		if !webhook.isReady() {
			webhook.Secrets.Refresh(ctx)
		}
		if !webhook.isReady() {
			names = append(names, webhook.Name())
		}
	}
	if len(names) == 0 {
		return ""
	}
	return "not ready: " + strings.Join(names, ", ")
}
