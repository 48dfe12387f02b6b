package app

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"time"

	"github.com/caddyserver/caddy/v2"

	"github.com/caddy-telegram/telegramwebhook/internal/status"
	"github.com/caddy-telegram/telegramwebhook/internal/telegram"
)

func init() { caddy.RegisterModule(AdminAPI{}) }

// AnswerTimeout is how long a caller waits for an answer.
const AnswerTimeout = time.Minute

// AdminAPI is the module's part of Caddy's admin API:
//
//	GET    /telegram_webhook/                 all webhooks; with ?all=true also bots that have only records in storage
//	GET    /telegram_webhook/ready            200 if all can judge requests, else 503 with those that cannot
//	GET    /telegram_webhook/{name}           one; with ?audit=true also a mark for the trials of an audit
//	POST   /telegram_webhook/{name}/rotate    another secret takes the place of the current one
//	POST   /telegram_webhook/{name}/register  setWebhook is called, whatever there is
//	POST   /telegram_webhook/{name}/send      the update in the body is handed to the bot
//	DELETE /telegram_webhook/{name}           deleteWebhook is called, and nothing registered until register; or the
//	                                          records are removed of a bot that has no webhook in the configuration
//
// register takes ?drop_pending_updates=true, which throws away the updates that wait.
// Every answer but an error is the state of the webhook, or of all, as package status
// documents it; that of send is what came of the update.
//
// AdminAPI has no state of its own: Caddy provisions one for every configuration, and never
// cleans up the previous one.
type AdminAPI struct{}

// CaddyModule returns the Caddy module information.
func (AdminAPI) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{
		ID:  "admin.api.telegram_webhook",
		New: func() caddy.Module { return AdminAPI{} },
	}
}

// Routes satisfies caddy.AdminRouter.
func (AdminAPI) Routes() []caddy.AdminRoute {
	return []caddy.AdminRoute{
		{Pattern: "GET " + status.Endpoint + "{$}", Handler: caddy.AdminHandlerFunc(list)},
		{Pattern: "GET " + status.Endpoint + status.ReadyName, Handler: caddy.AdminHandlerFunc(ready)},
		{Pattern: "GET " + status.Endpoint + "{name}", Handler: caddy.AdminHandlerFunc(get)},
		{Pattern: "DELETE " + status.Endpoint + "{name}", Handler: caddy.AdminHandlerFunc(remove)},
		{Pattern: "POST " + status.Endpoint + "{name}/register", Handler: caddy.AdminHandlerFunc(register)},
		{Pattern: "POST " + status.Endpoint + "{name}/send", Handler: caddy.AdminHandlerFunc(send)},
		{Pattern: "POST " + status.Endpoint + "{name}/rotate", Handler: change((*Webhook).Rotate)},
	}
}

// current returns the webhooks of the active configuration, by name.
func current() []*Webhook {
	app, err := caddy.ActiveContext().AppIfConfigured(moduleID)
	if err != nil {
		return nil // no webhook is configured
	}
	return app.(*App).sorted()
}

func list(w http.ResponseWriter, r *http.Request) error {
	all := []status.Webhook{}
	for _, webhook := range current() {
		all = append(all, webhook.Status())
	}
	if r.URL.Query().Get("all") != "true" {
		return writeJSON(w, all)
	}
	orphans, err := findOrphans(r.Context())
	if err != nil {
		return caddy.APIError{HTTPStatus: http.StatusBadGateway, Err: err}
	}
	for _, o := range orphans {
		all = append(all, o.status())
	}
	return writeJSON(w, all)
}

func get(w http.ResponseWriter, r *http.Request) error {
	webhook, err := find(r)
	if err != nil {
		return err
	}
	s := webhook.Status()
	if r.URL.Query().Get("audit") == "true" {
		s.AuditMark = process.audit.current()
	}
	return writeJSON(w, s)
}

func register(w http.ResponseWriter, r *http.Request) (err error) {
	drop := false
	if value := r.URL.Query().Get("drop_pending_updates"); value != "" {
		if drop, err = strconv.ParseBool(value); err != nil {
			return caddy.APIError{HTTPStatus: http.StatusBadRequest, Err: fmt.Errorf("drop_pending_updates: %q is neither true nor false", value)}
		}
	}
	return change(func(w *Webhook, ctx context.Context) error { return w.Register(ctx, drop) })(w, r)
}

func remove(w http.ResponseWriter, r *http.Request) error {
	_, err := find(r)
	if err == nil {
		return change((*Webhook).Delete)(w, r)
	}
	orphans, listing := findOrphans(r.Context())
	if listing != nil {
		return caddy.APIError{HTTPStatus: http.StatusBadGateway, Err: listing}
	}
	for _, o := range orphans {
		if o.name == r.PathValue("name") {
			return removeOrphan(w, r, o)
		}
	}
	return err
}

func send(w http.ResponseWriter, r *http.Request) error {
	webhook, err := find(r)
	if err != nil {
		return err
	}
	update, err := io.ReadAll(http.MaxBytesReader(w, r.Body, telegram.MaxUpdate))
	if err != nil {
		return caddy.APIError{HTTPStatus: http.StatusBadRequest, Err: fmt.Errorf("reading the update: %w", err)}
	}
	sent, err := webhook.Send(update)
	if err != nil {
		return caddy.APIError{HTTPStatus: http.StatusConflict, Err: err}
	}
	return writeJSON(w, sent)
}

// find returns the webhook that the request names. If two have that name, it returns the
// later one.
func find(r *http.Request) (found *Webhook, err error) {
	name := r.PathValue("name")
	for _, w := range current() {
		if w.Name() == name {
			found = w
		}
	}
	if found == nil {
		return nil, caddy.APIError{HTTPStatus: http.StatusNotFound, Err: fmt.Errorf("no webhook has the name %q", name)}
	}
	return found, nil
}

// impossible is the error of a command that does not apply to a webhook of this kind.
type impossible struct{ error }

// change runs a command for a webhook, and answers with its new state.
func change(do func(w *Webhook, ctx context.Context) error) caddy.AdminHandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) error {
		webhook, err := find(r)
		if err != nil {
			return err
		}
		ctx, cancel := context.WithTimeout(r.Context(), AnswerTimeout)
		defer cancel()
		if err := do(webhook, ctx); err != nil {
			code := http.StatusBadGateway
			if _, ok := errors.AsType[impossible](err); ok {
				code = http.StatusConflict
			}
			return caddy.APIError{HTTPStatus: code, Err: err}
		}
		return writeJSON(w, webhook.Status())
	}
}

func writeJSON(w http.ResponseWriter, v any) error {
	w.Header().Set("Content-Type", "application/json")
	return json.NewEncoder(w).Encode(v)
}

// Interface guards
var _ caddy.AdminRouter = AdminAPI{}
