package app

import (
	"strings"
	"sync"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"go.uber.org/zap"

	"github.com/caddy-telegram/telegramwebhook/internal/deliver"
	"github.com/caddy-telegram/telegramwebhook/internal/update"
)

// rememberUpdates prepares the memory of the updates that the bot has taken, which the
// next configuration of the same bot takes over. It is found when the configuration runs,
// or with the first update: the key may depend on the webhook's place.
func (w *Webhook) rememberUpdates(server *caddyhttp.Server) {
	if w.settings.Dedupe == 0 {
		return
	}
	w.updates = sync.OnceValue(w.findTable)
	server.RegisterOnShutdown(func() {
		if caddy.Exiting() {
			w.updates().Close()
		}
	})
}

// findTable returns the table of the bot, or, without a token, the table for the webhook's
// name and server.
func (w *Webhook) findTable() *deliver.Table {
	if w.bot != nil {
		return w.bot.updates
	}
	g, _ := w.main()
	key := "updates of " + w.Name() + " on " + strings.Join(g.server.Listen, " ")
	if err := w.app.claims.claimName(key, w); err != nil {
		w.logger.Warn("updates are remembered only until the next reload", w.NameField(),
			zap.String("remedy", `two webhooks with dedupe have the same name; set "name" on one of the two`))
		return deliver.NewTable()
	}
	return w.use(key).updates
}

// Once returns the dedupe entry of an update: nil without dedupe, without an update_id, or for
// an update that is not to be remembered.
func (w *Webhook) Once(read func() update.Update, remember bool) *deliver.Once {
	if w.updates == nil || !remember {
		return nil
	}
	id := read().ID
	if id == 0 {
		return nil
	}
	return &deliver.Once{Table: w.updates(), ID: id, Count: w.settings.Dedupe}
}
