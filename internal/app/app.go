// Package app is the Caddy app telegram_webhook: what the webhooks of one
// configuration have in common. Nobody configures it; each handler gets it from
// Caddy.
package app

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyevents"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/caddy-telegram/telegramwebhook/internal/botapi"
	"github.com/caddy-telegram/telegramwebhook/internal/redact"
)

func init() { caddy.RegisterModule(new(App)) }

// App is the module's part of one configuration.
type App struct {
	ctx    caddy.Context
	events *caddyevents.App
	front  *redact.Front
}

// CaddyModule returns the Caddy module information.
func (*App) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{
		ID:  "telegram_webhook",
		New: func() caddy.Module { return new(App) },
	}
}

// Of returns the app of the configuration whose handler is being provisioned with ctx.
func Of(ctx caddy.Context) (*App, error) {
	app, err := ctx.App("telegram_webhook")
	if err != nil {
		return nil, err
	}
	return app.(*App), nil
}

// Provision sets up the app.
func (a *App) Provision(ctx caddy.Context) error {
	a.ctx = ctx
	events, err := ctx.App("events")
	if err != nil {
		return fmt.Errorf("getting events app: %w", err)
	}
	a.events = events.(*caddyevents.App)
	return nil
}

// Start satisfies caddy.App. The webhooks start with the event "started", when all
// apps run.
func (*App) Start() error { return nil }

// Stop satisfies caddy.App. The webhooks stop with the event "stopping", before any app does.
func (*App) Stop() error { return nil }

// AddGate has the secret header redacted before the server of the handler that is
// being provisioned with ctx, and returns that server.
func (a *App) AddGate(ctx caddy.Context, gate caddyhttp.MiddlewareHandler) (*caddyhttp.Server, error) {
	server, ok := ctx.Value(caddyhttp.ServerCtxKey).(*caddyhttp.Server)
	if !ok {
		return nil, errors.New("telegram_webhook works only in the routes of an HTTP server")
	}
	if a.front == nil {
		for _, module := range ctx.Modules() {
			if app, ok := module.(*caddyhttp.App); ok {
				a.front = redact.NewFront(app, a.ctx.Logger(), botapi.HideTokens)
			}
		}
	}
	if a.front != nil {
		a.front.AddGate(server, gate)
	}
	return server, nil
}

// ReportExposed logs that a request came to a gate with its secret exposed to Caddy's logs.
func (a *App) ReportExposed(r *http.Request) {
	if a.front != nil {
		a.front.ReportExposed(r)
	}
}

// On has started called when all of the configuration runs, and stopping before
// any of it stops. A configuration that is only validated calls neither. Caddy
// waits for both with its configuration locked. On is called in Provision.
func (a *App) On(started, stopping func()) error {
	if err := a.events.On("started", subscriber{started}); err != nil {
		return err
	}
	return a.events.On("stopping", subscriber{stopping})
}

// Emit emits an event of the module.
func (a *App) Emit(event string, data map[string]any) { a.events.Emit(a.ctx, event, data) }

// subscriber is a function as an event handler. Caddy logs its handlers; a struct
// does not show what the function holds.
type subscriber struct{ call func() }

// Handle satisfies caddyevents.Handler.
func (s subscriber) Handle(context.Context, caddy.Event) error { s.call(); return nil }

// Interface guards
var (
	_ caddy.App         = (*App)(nil)
	_ caddy.Provisioner = (*App)(nil)
)
