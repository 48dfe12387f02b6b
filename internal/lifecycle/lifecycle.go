// Package lifecycle tells a module which configuration it is part of, when that
// runs and when it ends, by Caddy's events.
package lifecycle

import (
	"context"
	"fmt"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyevents"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

// Config is the configuration of which a module is part.
type Config struct {
	ctx    caddy.Context
	events *caddyevents.App
}

// Of returns the configuration of the module that is being provisioned with ctx.
func Of(ctx caddy.Context) (Config, error) {
	app, err := ctx.App("events")
	if err != nil {
		return Config{}, fmt.Errorf("getting events app: %w", err)
	}
	return Config{ctx, app.(*caddyevents.App)}, nil
}

// Key tells the configurations of this process apart. Each has its own app of
// events.
func (c Config) Key() any { return c.events }

// Server returns the HTTP server that the module is part of; nil if it is of none.
func (c Config) Server() *caddyhttp.Server {
	server, _ := c.ctx.Value(caddyhttp.ServerCtxKey).(*caddyhttp.Server)
	return server
}

// On has started called once the whole configuration runs, and stopping before
// it ends. Neither is called for one that is only validated. Caddy waits for
// both, with its configuration locked. It is to be called in Provision.
func (c Config) On(started, stopping func()) error {
	if err := c.events.On("started", handler{started}); err != nil {
		return err
	}
	return c.events.On("stopping", handler{stopping})
}

// Emit emits an event in the module's name.
func (c Config) Emit(event string, data map[string]any) { c.events.Emit(c.ctx, event, data) }

// handler is a function as a subscriber, which Caddy writes into its log: what
// the function holds is not seen.
type handler struct{ do func() }

// Handle satisfies caddyevents.Handler.
func (h handler) Handle(context.Context, caddy.Event) error { h.do(); return nil }
