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
// register takes ?drop_pending_updates=true, which throws away the updates that wait. Every answer but an error is the
// state of the webhook, or of all, as package status documents it; that of send is what came of the update.
//
// AdminAPI has no state of its own: Caddy provisions one for every configuration, and never cleans up the previous one.
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
		{Pattern: "GET " + status.Endpoint + "{$}", Handler: answer(list)},
		{Pattern: "GET " + status.Endpoint + status.ReadyName, Handler: caddy.AdminHandlerFunc(ready)},
		{Pattern: "GET " + status.Endpoint + "{name}", Handler: answer(about(get))},
		{Pattern: "DELETE " + status.Endpoint + "{name}", Handler: answer(remove)},
		{Pattern: "POST " + status.Endpoint + "{name}/register", Handler: answer(about(register))},
		{Pattern: "POST " + status.Endpoint + "{name}/send", Handler: answer(about(send))},
		{Pattern: "POST " + status.Endpoint + "{name}/rotate", Handler: answer(about(rotate))},
	}
}

// answerTimeout is how long a caller waits for an answer.
const answerTimeout = time.Minute

// apiError is the error of a request that cannot be carried out, with the status of the answer.
// Other errors are those of Telegram or storage.
type apiError struct {
	status int
	error
}

// answer answers with the result of a function, as JSON.
func answer(do func(ctx context.Context, r *http.Request) (any, error)) caddy.AdminHandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) error {
		ctx, cancel := context.WithTimeout(r.Context(), answerTimeout)
		defer cancel()
		result, err := do(ctx, r)
		if err != nil {
			code := http.StatusBadGateway
			if refused, ok := errors.AsType[apiError](err); ok {
				code = refused.status
			}
			return caddy.APIError{HTTPStatus: code, Err: err}
		}
		w.Header().Set("Content-Type", "application/json")
		return json.NewEncoder(w).Encode(result)
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

// find returns the webhook that the request names. If two have that name, it returns the later one.
func find(r *http.Request) (found *Webhook, err error) {
	name := r.PathValue("name")
	for _, w := range current() {
		if w.Name() == name {
			found = w
		}
	}
	if found == nil {
		return nil, apiError{http.StatusNotFound, fmt.Errorf("no webhook has the name %q", name)}
	}
	return found, nil
}

func list(ctx context.Context, r *http.Request) (any, error) {
	all := []status.Webhook{}
	for _, webhook := range current() {
		all = append(all, webhook.Status())
	}
	if r.URL.Query().Get("all") != "true" {
		return all, nil
	}
	orphans, err := findOrphans(ctx)
	for _, o := range orphans {
		all = append(all, o.status())
	}
	return all, err
}

// about finds the webhook of a request.
func about(do func(ctx context.Context, w *Webhook, r *http.Request) (any, error)) func(context.Context, *http.Request) (any, error) {
	return func(ctx context.Context, r *http.Request) (any, error) {
		webhook, err := find(r)
		if err != nil {
			return nil, err
		}
		return do(ctx, webhook, r)
	}
}

func get(_ context.Context, w *Webhook, r *http.Request) (any, error) {
	s := w.Status()
	if r.URL.Query().Get("audit") == "true" {
		s.AuditMark = process.audit.current()
	}
	return s, nil
}

func register(ctx context.Context, w *Webhook, r *http.Request) (result any, err error) {
	drop := false
	if value := r.URL.Query().Get("drop_pending_updates"); value != "" {
		if drop, err = strconv.ParseBool(value); err != nil {
			return nil, apiError{http.StatusBadRequest, fmt.Errorf("drop_pending_updates: %q is neither true nor false", value)}
		}
	}
	err = w.Register(ctx, drop)
	return w.Status(), err
}

func rotate(ctx context.Context, w *Webhook, _ *http.Request) (any, error) {
	err := w.Rotate(ctx)
	return w.Status(), err
}

func remove(ctx context.Context, r *http.Request) (any, error) {
	w, err := find(r)
	if err != nil {
		return removeOrphan(ctx, r.PathValue("name"), err)
	}
	err = w.Delete(ctx)
	return w.Status(), err
}

func send(_ context.Context, w *Webhook, r *http.Request) (any, error) {
	update, err := io.ReadAll(http.MaxBytesReader(nil, r.Body, telegram.MaxUpdate))
	if err != nil {
		return nil, apiError{http.StatusBadRequest, fmt.Errorf("reading the update: %w", err)}
	}
	return w.Send(update)
}

// Interface guards
var _ caddy.AdminRouter = AdminAPI{}
