package app

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/caddy-telegram/telegramwebhook/internal/botapi"
	"github.com/caddy-telegram/telegramwebhook/internal/registrar"
	"github.com/caddy-telegram/telegramwebhook/internal/status"
)

var (
	errUnmanaged  = impossible{errors.New("nothing registers or deletes this webhook here, since it has no bot_token; set bot_token and reload")}
	errPolling    = impossible{errors.New("the updates of this bot are fetched; take poll out of the configuration to have a webhook")}
	errConfigured = impossible{errors.New("the secret is in the configuration: put a new one first there, keep the old one beside it for a while, and reload")}
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

// Rotate has another secret take the place of the current one, and returns when
// Telegram has it.
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

// Send hands an update to the bot inside the process, and returns how Telegram would take
// the answer.
func (w *Webhook) Send(update []byte) (status.Sent, error) {
	found := w.location.Load()
	if found == nil || found.address == "" || found.fault != nil {
		return status.Sent{}, impossible{errors.New("there is no address that leads to this webhook: see status, or give send a url")}
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

// checkRegistered returns the error of an attempt, or of one after which the webhook
// is not registered.
func checkRegistered(running *registrar.Registrar, err error) error {
	if err != nil {
		return withRemedy(err)
	}
	if s := running.Status(); s.State != registrar.Registered {
		advice := cmp.Or(sentence(s.Remedy), advice[string(s.State)])
		return impossible{errors.New("the webhook is " + string(s.State) + ", so its secret is not renewed. " + advice)}
	}
	return nil
}
