package app

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"path"
	"slices"
	"time"

	"github.com/caddyserver/caddy/v2"

	"github.com/caddy-telegram/telegramwebhook/internal/botapi"
	"github.com/caddy-telegram/telegramwebhook/internal/boundedlog"
	"github.com/caddy-telegram/telegramwebhook/internal/registrar"
	"github.com/caddy-telegram/telegramwebhook/internal/status"
)

var (
	errUnmanaged  = apiError{http.StatusConflict, errors.New("nothing registers or deletes this webhook here, since it has no bot_token; set bot_token and reload")}
	errPolling    = apiError{http.StatusConflict, errors.New("the updates of this bot are fetched; take poll out of the configuration to have a webhook")}
	errConfigured = apiError{http.StatusConflict, errors.New("the secret is in the configuration: put a new one first there, keep the old one beside it for a while, and reload")}
)

// running returns the webhook's registrar, or why it has none.
func (w *Webhook) running() (*registrar.Registrar, error) {
	running := w.registrar.Load()
	switch {
	case w.polls():
		return nil, errPolling
	case running == nil:
		return nil, errUnmanaged
	}
	return running, nil
}

// Register calls setWebhook in any case, and returns when Telegram has taken it. With drop,
// Telegram drops the pending updates.
func (w *Webhook) Register(ctx context.Context, drop bool) error {
	running, err := w.running()
	if err != nil {
		return err
	}
	for {
		err := running.CarryOut(ctx, registrar.Order{Kind: registrar.OrderRegister, Drop: drop})
		// Telegram takes one setWebhook a second for each bot.
		refusal, ok := errors.AsType[*botapi.Error](err)
		if !ok || refusal.Code != http.StatusTooManyRequests || refusal.RetryAfter > maxRetryAfter {
			return withRemedy(err)
		}
		select {
		case <-time.After(refusal.RetryAfter):
		case <-ctx.Done():
			return withRemedy(err)
		}
	}
}

// maxRetryAfter is how long an order waits when Telegram asks for a pause.
const maxRetryAfter = 5 * time.Second

// Delete calls deleteWebhook. The webhook stays deleted until Register, or until its
// configuration changes. With polling, Delete removes the webhook that prevents it.
func (w *Webhook) Delete(ctx context.Context) error {
	if w.polls() {
		err := botapi.NewClient(w.settings.Registration.Account, nil).DeleteWebhook(ctx)
		w.startPolling() // which looks again at once
		return withRemedy(err)
	}
	running, err := w.running()
	if err != nil {
		return err
	}
	if err := withRemedy(running.CarryOut(ctx, registrar.Order{Kind: registrar.OrderDelete})); err != nil {
		return fmt.Errorf("%w; what Telegram has is as it was", err)
	}
	return nil
}

// Rotate has another secret take the place of the current one, and returns when Telegram has it.
func (w *Webhook) Rotate(ctx context.Context) error {
	running, err := w.running()
	if w.settings.Secrets != nil {
		err = errConfigured
	}
	if err != nil {
		return err
	}
	// A webhook that cannot be registered now is not to get a new secret later.
	if err := checkRegistered(running, running.CarryOut(ctx, registrar.Order{Kind: registrar.OrderCheck})); err != nil {
		return err
	}
	err = checkRegistered(running, running.CarryOut(ctx, registrar.Order{Kind: registrar.OrderRotate}))
	if err != nil && w.Secrets.Status().Rotating {
		return fmt.Errorf("%w; the rotation has begun, and goes on by itself: see status", err)
	}
	return err
}

// Send hands an update to the bot inside the process, and returns how Telegram would take the answer.
func (w *Webhook) Send(update []byte) (status.Sent, error) {
	found := w.location.Load()
	if found == nil || found.address == "" || found.fault != nil {
		return status.Sent{}, apiError{http.StatusConflict, errors.New("there is no address that leads to this webhook: see status, or give send a url")}
	}
	return status.SentTo(w.HidePath(found.address), w.handOver(update, false)), nil
}

// withRemedy adds the remedy to an error.
func withRemedy(err error) error {
	if err == nil {
		return nil
	}
	remedy, _ := registrar.Remedy(err)
	return fmt.Errorf("%w (remedy: %s)", err, remedy)
}

// checkRegistered returns the error of an attempt, or of one after which the webhook is not registered.
func checkRegistered(running *registrar.Registrar, err error) error {
	if err != nil {
		return withRemedy(err)
	}
	if s := running.Status(); s.State != status.Registered {
		advice := cmp.Or(sentence(s.Remedy), advice[s.State])
		return apiError{http.StatusConflict, errors.New("the webhook is " + s.State + ", so its secret is not renewed. " + advice)}
	}
	return nil
}

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
	return "node " + o.Process + " has looked at the webhook " + boundedlog.Span(time.Since(o.CheckedAt)) + " ago, and may have it in its configuration"
}

// removeOrphan removes the records of a bot, unless another node may need them. If no bot has
// the name, it returns the error notFound.
func removeOrphan(ctx context.Context, name string, notFound error) (any, error) {
	orphans, err := findOrphans(ctx)
	i := slices.IndexFunc(orphans, func(o orphan) bool { return o.name == name })
	switch {
	case err != nil:
		return nil, err
	case i < 0:
		return nil, notFound
	case orphans[i].UsedElsewhere():
		return nil, apiError{http.StatusConflict, errors.New(orphans[i].describeUse())}
	}
	err = orphans[i].Remove(ctx, storageOf(caddy.ActiveContext()))
	s := orphans[i].status()
	s.Detail, s.Advice = "the records are removed from storage", endAtTelegram
	if orphans[i].Deleted {
		s.Advice = ""
	}
	return s, err
}
