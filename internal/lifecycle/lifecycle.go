// Package lifecycle tells a module when its configuration runs and when it ends,
// by Caddy's events.
package lifecycle

import (
	"context"
	"fmt"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyevents"
)

// On has started called once the whole configuration runs, and stopping before
// it ends. Neither is called for one that is only validated. Caddy waits for
// both, with its configuration locked. It is to be called in Provision.
func On(ctx caddy.Context, started, stopping func()) error {
	events, err := app(ctx)
	if err != nil {
		return err
	}
	if err := events.On("started", handler{started}); err != nil {
		return err
	}
	return events.On("stopping", handler{stopping})
}

// Emitter returns what emits events in the name of the module that ctx is of.
func Emitter(ctx caddy.Context) (func(event string, data map[string]any), error) {
	events, err := app(ctx)
	if err != nil {
		return nil, err
	}
	return func(event string, data map[string]any) { events.Emit(ctx, event, data) }, nil
}

func app(ctx caddy.Context) (*caddyevents.App, error) {
	app, err := ctx.App("events")
	if err != nil {
		return nil, fmt.Errorf("getting events app: %w", err)
	}
	return app.(*caddyevents.App), nil
}

// handler is a function as a subscriber, which Caddy writes into its log: what
// the function holds is not seen.
type handler struct{ do func() }

// Handle satisfies caddyevents.Handler.
func (h handler) Handle(context.Context, caddy.Event) error { h.do(); return nil }
