package registrar

import (
	"context"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/caddy-telegram/telegramwebhook/internal/botapi"
)

// telegram is what Telegram has, and does.
type telegram struct {
	mu    sync.Mutex
	has   botapi.Webhook
	info  botapi.WebhookInfo
	sets  []botapi.Webhook
	asked int
	fail  func() error  // what every call fails with, if it does
	slow  time.Duration // what setWebhook takes
}

func (a *telegram) SetWebhook(ctx context.Context, w botapi.Webhook) error {
	a.mu.Lock()
	a.sets = append(a.sets, w)
	slow := a.slow
	a.mu.Unlock()
	select {
	case <-time.After(slow):
	case <-ctx.Done():
		return ctx.Err()
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if err := a.failure(); err != nil {
		return err
	}
	a.has = w
	a.info.URL, a.info.MaxConnections, a.info.HasCustomCertificate = w.URL, w.MaxConnections, len(w.Certificate) > 0
	a.info.AllowedUpdates, a.info.IPAddress = w.AllowedUpdates, w.IPAddress
	return nil
}

func (a *telegram) GetWebhookInfo(context.Context) (botapi.WebhookInfo, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.asked++
	return a.info, a.failure()
}

func (a *telegram) DeleteWebhook(context.Context, bool) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if err := a.failure(); err != nil {
		return err
	}
	a.has, a.info.URL = botapi.Webhook{}, ""
	return nil
}

func (a *telegram) failure() error {
	if a.fail == nil {
		return nil
	}
	return a.fail()
}

// change is somebody else's doing.
func (a *telegram) change(f func(*telegram)) {
	a.mu.Lock()
	defer a.mu.Unlock()
	f(a)
}

// failWith makes every call fail with an error; nil ends that.
func (a *telegram) failWith(err error) {
	a.change(func(a *telegram) { a.fail = func() error { return err } })
}

func (a *telegram) calls() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return len(a.sets)
}

func (a *telegram) comparisons() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.asked
}

func (a *telegram) registered() botapi.Webhook {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.has
}

func (a *telegram) history() []botapi.Webhook {
	a.mu.Lock()
	defer a.mu.Unlock()
	return slices.Clone(a.sets)
}

func wantCalls(t *testing.T, api *telegram, n int, when string) {
	t.Helper()
	if got := api.calls(); got != n {
		t.Errorf("%s: %d calls of setWebhook, want %d", when, got, n)
	}
}
