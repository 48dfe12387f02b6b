package registry

import (
	"fmt"
	"net/http"
	"sync"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"go.uber.org/zap"

	"github.com/caddy-telegram/telegramwebhook/internal/app"
	"github.com/caddy-telegram/telegramwebhook/internal/dedupe"
	"github.com/caddy-telegram/telegramwebhook/internal/update"
)

// Updates is a webhook's hold on what is known of its bot's updates, which the
// next configuration of the same bot takes over.
type Updates struct {
	count   int
	table   func() *dedupe.Table
	release func()
}

// NewUpdates is to be called in Provision. So many updates are remembered; with
// none it returns nil. The bot's key is asked for once the whole configuration
// runs, before the one that it replaces lets go.
func NewUpdates(app *app.App, server *caddyhttp.Server, count int, key func() string, logger func() *zap.Logger) (*Updates, error) {
	if count == 0 {
		return nil, nil
	}
	if err := dedupe.CheckCount(count); err != nil {
		return nil, fmt.Errorf("dedupe: %w", err)
	}
	u := &Updates{count: count, release: func() {}}
	u.table = sync.OnceValue(func() *dedupe.Table { return u.claim(app, key(), logger) })
	server.RegisterOnShutdown(func() {
		if caddy.Exiting() {
			u.table().Close()
		}
	})
	return u, nil
}

// Start takes the table over. It is to be called once the configuration runs.
func (u *Updates) Start() {
	if u != nil {
		u.table()
	}
}

// claim takes the table of that key. Two webhooks of one configuration that are
// called the same may be of two bots, whose updates must not meet.
func (u *Updates) claim(app *app.App, key string, logger func() *zap.Logger) *dedupe.Table {
	bot, release, err := Claim("updates of "+key, app, key)
	if err != nil {
		logger().Warn("updates are remembered only until the next reload: another telegram_webhook with dedupe has the same name; give each one of its own")
		return new(dedupe.Table)
	}
	u.release = release
	return &bot.Updates
}

// Once returns a handler that hands each update to next once; next itself for
// nil. What has no update_id is handed on as it is.
func (u *Updates) Once(read func() update.Update, next caddyhttp.Handler) caddyhttp.Handler {
	if u == nil {
		return next
	}
	return caddyhttp.HandlerFunc(func(w http.ResponseWriter, r *http.Request) error {
		id := read().ID
		if id == 0 {
			return next.ServeHTTP(w, r)
		}
		return u.table().Deliver(w, r, next, id, u.count)
	})
}

// Release gives back what was taken. It is to be called in Cleanup.
func (u *Updates) Release() {
	if u != nil {
		u.release()
	}
}
