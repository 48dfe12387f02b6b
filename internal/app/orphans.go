package app

import (
	"context"
	"errors"
	"net/http"
	"path"
	"slices"
	"time"

	"github.com/caddyserver/caddy/v2"

	"github.com/caddy-telegram/telegramwebhook/internal/boundedlog"
	"github.com/caddy-telegram/telegramwebhook/internal/registrar"
	"github.com/caddy-telegram/telegramwebhook/internal/status"
)

// orphan is a bot that has records in storage, and no webhook in the configuration.
type orphan struct {
	registrar.Orphan
	name string // in the admin API: the bot's id, with what tells its Bot API server
}

// findOrphans returns the orphans of the active configuration.
func findOrphans(ctx context.Context) (orphans []orphan, err error) {
	active := caddy.ActiveContext()
	if active.Context == nil {
		return nil, nil
	}
	var names, keys []string
	for _, w := range current() {
		names = append(names, w.Name())
		if r := w.settings.Registration; r != nil {
			keys = append(keys, r.Account.Key())
		}
	}
	ctx, cancel := context.WithTimeout(ctx, AnswerTimeout)
	defer cancel()
	found, err := registrar.FindOrphans(ctx, storageOf(active), keys)
	for _, o := range found {
		name := path.Base(o.Key)
		if slices.Contains(names, name) { // the same bot at another Bot API server
			name = o.Key
		}
		orphans = append(orphans, orphan{o, name})
	}
	return orphans, err
}

// endAtTelegram tells how to delete an orphan's webhook: this process does not have its token.
const endAtTelegram = "Telegram may still have the webhook; to end that, put the bot back into the configuration and delete it there, or call deleteWebhook with its token."

func (o orphan) status() status.Webhook {
	s := status.Webhook{
		Name: o.name, State: status.Orphaned, Since: o.CheckedAt, URL: o.URL,
		RegisteredAt: o.RegisteredAt, RegisteredBy: o.RegisteredBy, Requests: map[string]uint64{},
		Detail: "there are records in storage, and no webhook in the configuration",
	}
	remove := "caddy telegram-webhook delete " + o.name
	switch {
	case o.UsedElsewhere():
		s.Detail, s.Advice = o.describeUse(), "If it is not in the configuration of that node, wait a quarter of an hour, and look again."
	case o.Deleted:
		s.Advice = "Remove the records: " + remove
	default:
		s.Advice = endAtTelegram + " Then remove the records: " + remove
	}
	return s
}

func (o orphan) describeUse() string {
	return "node " + o.CheckedBy + " has looked at the webhook " + boundedlog.Span(time.Since(o.CheckedAt)) + " ago, and may have it in its configuration"
}

// removeOrphan removes the records of a bot, unless another node may need them.
func removeOrphan(w http.ResponseWriter, r *http.Request, o orphan) error {
	if o.UsedElsewhere() {
		return caddy.APIError{HTTPStatus: http.StatusConflict, Err: errors.New(o.describeUse())}
	}
	ctx, cancel := context.WithTimeout(r.Context(), AnswerTimeout)
	defer cancel()
	if err := o.Remove(ctx, storageOf(caddy.ActiveContext())); err != nil {
		return caddy.APIError{HTTPStatus: http.StatusBadGateway, Err: err}
	}
	s := o.status()
	s.Detail, s.Advice = "the records are removed from storage", endAtTelegram
	if o.Deleted {
		s.Advice = ""
	}
	return writeJSON(w, s)
}
