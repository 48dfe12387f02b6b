package app

import (
	"cmp"
	"context"
	"time"

	"github.com/caddyserver/caddy/v2"
	"go.uber.org/zap"

	"github.com/caddy-telegram/telegramwebhook/internal/telegram"
)

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
