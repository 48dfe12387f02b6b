package app

import (
	"cmp"
	"context"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"go.uber.org/zap"

	"github.com/caddy-telegram/telegramwebhook/internal/deliver"
	"github.com/caddy-telegram/telegramwebhook/internal/telegram"
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

// findTable returns the table of the bot, or, without a token, the table for the webhook's name and server.
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
func (w *Webhook) Once(read func() telegram.Update, remember bool) *deliver.Once {
	if w.updates == nil || !remember {
		return nil
	}
	id := read().ID
	if id == 0 {
		return nil
	}
	return &deliver.Once{Table: w.updates(), ID: id, Count: w.settings.Dedupe}
}

// Begin counts an update as under way until End, and returns the time.
func (w *Webhook) Begin() time.Time {
	w.known().underWay.Add(1)
	return time.Now()
}

// End records the result of an update.
func (w *Webhook) End(result, status int, took time.Duration) {
	w.known().underWay.Add(-1)
	w.Metrics().Count(result)
	w.Metrics().Delivered(status, took)
}

// afterShutdown is called when the servers have shut down, within their grace period or at
// its end. awaitDeliveries waits for updates that were fetched.
func (w *Webhook) afterShutdown(context.Context) error {
	if caddy.Exiting() && !w.polls() {
		w.reportUndelivered()
	}
	return nil
}

// reportUndelivered logs the updates that are still under way when Caddy exits. Their
// handlers end with the process, without a word.
func (w *Webhook) reportUndelivered() {
	if n := w.known().underWay.Swap(0); n > 0 {
		w.logger.Error("updates not delivered before the exit", w.NameField(), zap.Int64("updates", n),
			zap.String("remedy", "Telegram sends them again; for a bot that has begun the work, set grace_period to more than it takes"))
	}
}

// awaitDeliveries waits when Caddy exits until the updates that were fetched are answered:
// nobody else waits for requests inside the process.
func (a *App) awaitDeliveries() {
	ctx, cancel := context.WithTimeout(context.Background(), cmp.Or(time.Duration(a.http.GracePeriod), telegram.Timeout))
	defer cancel()
	for _, w := range a.webhooks {
		if w.polls() && caddy.Exiting() {
			w.bot.poller.Wait(ctx)
			w.reportUndelivered()
		}
	}
}

// refusal is an answer with which the bot has refused a genuine update.
type refusal struct {
	at     time.Time
	status int
	remedy string
}

// RecordAnswer takes note of the bot's answer to a genuine update. A refusal is logged
// once for a configuration, since it is rarely about the one update.
func (w *Webhook) RecordAnswer(outcome deliver.Outcome) {
	remedy := outcome.Remedy()
	if remedy == "" {
		if w.refusal.Load() != nil { // reading costs other requests nothing
			w.refusal.Store(nil)
		}
		return
	}
	w.refusal.Store(&refusal{time.Now(), outcome.Status, remedy})
	if running := w.registrar.Load(); running != nil && outcome.Status == http.StatusForbidden {
		running.RecordForbidden()
	}
	w.warnRefusal.Do(func() {
		w.logger.Warn("update refused by the bot", w.NameField(), zap.Int("status", outcome.Status), zap.String("remedy", remedy))
	})
}
