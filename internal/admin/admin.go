// Package admin is the module's part of Caddy's admin API, under
// /telegram_webhook/:
//
//	GET    /telegram_webhook/                 all webhooks
//	GET    /telegram_webhook/{name}           one
//	POST   /telegram_webhook/{name}/rotate    another secret takes the place of the current one
//	POST   /telegram_webhook/{name}/register  setWebhook is called, whatever there is
//	DELETE /telegram_webhook/{name}           deleteWebhook is called, and nothing registered until register
//
// register and DELETE take ?drop_pending_updates=true, which throws away the
// updates that wait. Every answer but an error is the state of the webhook, or
// of all, as package status documents it.
package admin

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/caddyserver/caddy/v2"

	"github.com/caddy-telegram/telegramwebhook/internal/registry"
	"github.com/caddy-telegram/telegramwebhook/internal/status"
)

func init() { caddy.RegisterModule(API{}) }

// Base is where the endpoints are.
const Base = "/telegram_webhook/"

// Patience bounds how long an answer is waited for.
const Patience = time.Minute

// API is the admin endpoints. It has no state of its own: Caddy provisions one
// for every configuration, and does not end the one before.
type API struct{}

// CaddyModule returns the Caddy module information.
func (API) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{
		ID:  "admin.api.telegram_webhook",
		New: func() caddy.Module { return API{} },
	}
}

// Routes satisfies caddy.AdminRouter.
func (API) Routes() []caddy.AdminRoute {
	return []caddy.AdminRoute{
		{Pattern: Base, Handler: caddy.AdminHandlerFunc(other)},
		{Pattern: Base + "{$}", Handler: endpoint{http.MethodGet: list}},
		{Pattern: Base + "{name}", Handler: endpoint{http.MethodGet: get, http.MethodDelete: change(registry.Live.Delete)}},
		{Pattern: Base + "{name}/register", Handler: endpoint{http.MethodPost: change(registry.Live.Register)}},
		{Pattern: Base + "{name}/rotate", Handler: endpoint{http.MethodPost: change(rotate)}},
	}
}

// endpoint is what can be done with a resource, by method.
type endpoint map[string]func(http.ResponseWriter, *http.Request) error

// ServeHTTP satisfies caddy.AdminHandler.
func (e endpoint) ServeHTTP(w http.ResponseWriter, r *http.Request) error {
	do, ok := e[r.Method]
	if !ok {
		return caddy.APIError{HTTPStatus: http.StatusMethodNotAllowed, Err: fmt.Errorf("method not allowed: %s", r.Method)}
	}
	return do(w, r)
}

func other(_ http.ResponseWriter, r *http.Request) error {
	return caddy.APIError{HTTPStatus: http.StatusNotFound, Err: fmt.Errorf("resource not found: %s", r.URL.Path)}
}

func list(w http.ResponseWriter, _ *http.Request) error {
	all := []status.Webhook{}
	for _, webhook := range registry.All() {
		all = append(all, webhook.Status())
	}
	return answer(w, all)
}

func get(w http.ResponseWriter, r *http.Request) error {
	webhook, err := named(r)
	if err != nil {
		return err
	}
	return answer(w, webhook.Status())
}

func named(r *http.Request) (registry.Live, error) {
	name := r.PathValue("name")
	webhook, ok := registry.Get(name)
	if !ok {
		return nil, caddy.APIError{HTTPStatus: http.StatusNotFound, Err: fmt.Errorf("no webhook has the name %q", name)}
	}
	return webhook, nil
}

func rotate(webhook registry.Live, ctx context.Context, _ bool) error { return webhook.Rotate(ctx) }

// Impossible is the error for what cannot be done with a webhook of that kind.
type Impossible struct{ error }

// change does something with a webhook, and answers with its state after that.
func change(do func(webhook registry.Live, ctx context.Context, drop bool) error) func(http.ResponseWriter, *http.Request) error {
	return func(w http.ResponseWriter, r *http.Request) error {
		webhook, err := named(r)
		if err != nil {
			return err
		}
		drop := false
		if value := r.URL.Query().Get("drop_pending_updates"); value != "" {
			if drop, err = strconv.ParseBool(value); err != nil {
				return caddy.APIError{HTTPStatus: http.StatusBadRequest, Err: fmt.Errorf("drop_pending_updates: %q is neither true nor false", value)}
			}
		}
		ctx, cancel := context.WithTimeout(r.Context(), Patience)
		defer cancel()
		if err := do(webhook, ctx, drop); err != nil {
			code := http.StatusBadGateway
			if _, ok := errors.AsType[Impossible](err); ok {
				code = http.StatusConflict
			}
			return caddy.APIError{HTTPStatus: code, Err: err}
		}
		return answer(w, webhook.Status())
	}
}

func answer(w http.ResponseWriter, v any) error {
	content, err := json.Marshal(v)
	if err != nil {
		return caddy.APIError{HTTPStatus: http.StatusInternalServerError, Err: err}
	}
	w.Header().Set("Content-Type", "application/json")
	_, err = w.Write(append(content, '\n'))
	return err
}

// Interface guards
var _ caddy.AdminRouter = API{}
