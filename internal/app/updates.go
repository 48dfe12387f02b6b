package app

import (
	"net/http"
	"strings"
	"sync"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"go.uber.org/zap"

	"github.com/caddy-telegram/telegramwebhook/internal/deliver"
	"github.com/caddy-telegram/telegramwebhook/internal/update"
)

// updates is a webhook's memory of the updates that its bot has taken, which the
// next configuration of the same bot takes over.
type updates struct {
	count int
	table func() *deliver.Table // nil if none are remembered
}

// rememberUpdates prepares the memory. It is found when the configuration runs, or
// with the first update: the key may depend on the webhook's place.
func (w *Webhook) rememberUpdates(server *caddyhttp.Server) {
	w.updates = updates{w.settings.Dedupe, func() *deliver.Table { return nil }}
	if w.settings.Dedupe == 0 {
		return
	}
	w.updates.table = sync.OnceValue(w.findTable)
	server.RegisterOnShutdown(func() {
		if caddy.Exiting() {
			w.updates.table().Close()
		}
	})
}

// findTable returns the table of the bot, or without a token that of the webhook's
// name and server.
func (w *Webhook) findTable() *deliver.Table {
	if w.bot != nil {
		return &w.bot.updates
	}
	g, _ := w.main()
	key := "updates of " + w.Name() + " on " + strings.Join(g.server.Listen, " ")
	if err := w.app.claims.claimName(key, w); err != nil {
		w.logger.Warn("updates are remembered only until the next reload", w.NameField(),
			zap.String("remedy", `two webhooks with dedupe have the same name; set "name" on one of the two`))
		return new(deliver.Table)
	}
	return &w.use(key).updates
}

// Once returns a handler that hands each update to next once; next itself without
// dedupe. A request without an update_id is handed on as it is.
func (w *Webhook) Once(read func() update.Update, next caddyhttp.Handler) caddyhttp.Handler {
	if w.updates.count == 0 {
		return next
	}
	return caddyhttp.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) error {
		id := read().ID
		if id == 0 {
			return next.ServeHTTP(rw, r)
		}
		return w.updates.table().Deliver(rw, r, next, id, w.updates.count)
	})
}
