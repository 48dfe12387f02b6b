// Package app is the Caddy app telegram_webhook, which holds the webhooks of one
// configuration. Users do not configure it; each handler gets it from Caddy.
//
//   - app.go: the app, and its life
//   - claims.go: names, bots and addresses, which webhooks cannot share
//   - webhook.go: one webhook
//   - address.go: its public address, and whether that leads to it
//   - updates.go: its updates: remembered, under way, or refused by the bot
//   - registration.go: what it tells its registrar or its poller
//   - status.go: its state, and whether this node is ready
//   - orders.go: commands of the operator, also for bots that have left the configuration
//   - adminapi.go: the endpoints of Caddy's admin API
//   - process.go: everything that outlives a configuration
package app

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyevents"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/caddy-telegram/telegramwebhook/internal/listener"
	"github.com/caddy-telegram/telegramwebhook/internal/metrics"
	"github.com/caddy-telegram/telegramwebhook/internal/redact"
	"github.com/caddy-telegram/telegramwebhook/internal/registrar"
	"github.com/caddy-telegram/telegramwebhook/internal/site"
)

// moduleID is the app's module ID, and its name for ctx.App.
const moduleID = "telegram_webhook"

func init() { caddy.RegisterModule(new(App)) }

// App is the module's part of one configuration.
type App struct {
	ctx      caddy.Context
	events   *caddyevents.App
	http     *caddyhttp.App
	front    *redact.Front
	places   func() map[site.Gate]site.Place // known once all routes are provisioned
	webhooks []*Webhook
	active   chan struct{} // closed when this configuration is the active one
	wrappers map[*caddyhttp.Server]*listener.Wrapper
	claims   claims
}

// CaddyModule returns the Caddy module information.
func (*App) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{
		ID:  moduleID,
		New: func() caddy.Module { return new(App) },
	}
}

// Of returns the app of the configuration whose module is being provisioned with ctx.
func Of(ctx caddy.Context) (*App, error) {
	app, err := ctx.App(moduleID)
	if err != nil {
		return nil, err
	}
	return app.(*App), nil
}

// Provision sets up the app.
func (a *App) Provision(ctx caddy.Context) error {
	a.ctx, a.active, a.wrappers = ctx, make(chan struct{}), make(map[*caddyhttp.Server]*listener.Wrapper)
	events, err := ctx.App("events")
	if err != nil {
		return fmt.Errorf("getting events app: %w", err)
	}
	a.events = events.(*caddyevents.App)
	if err := a.events.On("started", subscriber{a.startWebhooks}); err != nil {
		return err
	}
	if err := a.events.On("stopping", subscriber{a.stopWebhooks}); err != nil {
		return err
	}
	if err := metrics.Register(ctx.GetMetricsRegistry(), a); err != nil {
		return fmt.Errorf("registering metrics: %w", err)
	}
	// The app is provisioned by the first handler or listener wrapper.
	for _, module := range ctx.Modules() {
		if app, ok := module.(*caddyhttp.App); ok {
			a.http = app
			a.front = redact.NewFront(app, ctx.Logger())
			a.places = sync.OnceValue(func() map[site.Gate]site.Place { return site.Find(app.Servers) })
			return nil
		}
	}
	return errors.New("telegram_webhook works only in an HTTP server")
}

// Start satisfies caddy.App. The webhooks start with the event "started", when all apps run.
func (*App) Start() error { return nil }

// Stop satisfies caddy.App. The webhooks stop with the event "stopping", before any app does.
func (a *App) Stop() error {
	a.awaitDeliveries()
	return nil
}

// startWebhooks starts the work in the background. Validation alone does not call it.
func (a *App) startWebhooks() {
	for _, w := range a.webhooks {
		w.start()
	}
	go a.awaitActive()
}

// awaitActive closes the channel active when this configuration is the active one. A load
// can still fail after the event "started", and Caddy has no event for its success.
func (a *App) awaitActive() {
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		if app, err := caddy.ActiveContext().AppIfConfigured(moduleID); err == nil && app == a {
			close(a.active)
			return
		}
		select {
		case <-tick.C:
		case <-a.ctx.Done():
			return
		}
	}
}

func (a *App) stopWebhooks() {
	for _, w := range a.webhooks {
		w.stop()
	}
}

// Cleanup stops the webhooks, since Caddy does not stop them if the configuration fails at
// its end, and releases the state that they share with other configurations.
func (a *App) Cleanup() error {
	a.stopWebhooks()
	ctx, cancel := context.WithTimeout(context.Background(), registrar.StopTimeout) // for all together
	defer cancel()
	for _, w := range a.webhooks {
		w.release(ctx)
	}
	return nil
}

// AddWrapper makes a listener wrapper known to the handlers of its server, and returns the penalties of the process.
func (a *App) AddWrapper(server *caddyhttp.Server, w *listener.Wrapper) *listener.Penalties {
	a.wrappers[server] = w
	return process.penalties
}

// Wrapper returns the listener wrapper of a server, or nil. Caddy provisions a server's wrappers before its handlers.
func (a *App) Wrapper(server *caddyhttp.Server) *listener.Wrapper { return a.wrappers[server] }

// ReportExposed is called for a request whose secret Caddy's logs have seen.
func (a *App) ReportExposed(r *http.Request) { a.front.ReportExposed(r) }

// States satisfies metrics.Current.
func (a *App) States() []metrics.State {
	states := make([]metrics.State, len(a.webhooks))
	for i, w := range a.webhooks {
		states[i] = w.state()
	}
	return states
}

// CountBarred satisfies metrics.Current.
func (a *App) CountBarred() (n int, ok bool) {
	return process.penalties.CountBarred(), len(a.wrappers) > 0
}

// sorted returns the webhooks by name.
func (a *App) sorted() []*Webhook {
	return slices.SortedStableFunc(slices.Values(a.webhooks), func(x, y *Webhook) int {
		return strings.Compare(x.Name(), y.Name())
	})
}

// subscriber is a function as an event handler. Caddy logs its handlers; a struct
// does not show what the function holds.
type subscriber struct{ call func() }

// Handle satisfies caddyevents.Handler.
func (s subscriber) Handle(context.Context, caddy.Event) error { s.call(); return nil }

// Interface guards
var (
	_ caddy.App          = (*App)(nil)
	_ caddy.Provisioner  = (*App)(nil)
	_ caddy.CleanerUpper = (*App)(nil)
	_ metrics.Current    = (*App)(nil)
)
