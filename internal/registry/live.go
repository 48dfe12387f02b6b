package registry

import (
	"cmp"
	"context"
	"slices"
	"sync"

	"github.com/caddy-telegram/telegramwebhook/internal/status"
)

// Live is a webhook of the running configuration, for its operator.
type Live interface {
	Name() string
	Status() status.Webhook

	// Rotate has another secret take the place of the current one, and returns
	// when Telegram has it.
	Rotate(context.Context) error

	// Register calls setWebhook, whatever there is, and returns when it has been
	// taken; with drop the updates that wait are thrown away.
	Register(ctx context.Context, drop bool) error

	// Delete calls deleteWebhook. The webhook is not registered again until that
	// is asked for, or its configuration changes.
	Delete(ctx context.Context, drop bool) error
}

var live struct {
	sync.Mutex
	webhooks []Live
}

// Add makes a webhook known from now on, and returns what ends that. Of two with
// one name, which is a configuration and the one that replaces it, the later
// counts.
func Add(w Live) (remove func()) {
	live.Lock()
	defer live.Unlock()
	live.webhooks = append(live.webhooks, w)
	return func() {
		live.Lock()
		defer live.Unlock()
		live.webhooks = slices.DeleteFunc(live.webhooks, func(other Live) bool { return other == w })
	}
}

// All returns the live webhooks, by name.
func All() []Live {
	live.Lock()
	webhooks := slices.Clone(live.webhooks)
	live.Unlock()
	slices.Reverse(webhooks) // the latest of a name first, to be kept
	slices.SortStableFunc(webhooks, func(a, b Live) int { return cmp.Compare(a.Name(), b.Name()) })
	return slices.CompactFunc(webhooks, func(a, b Live) bool { return a.Name() == b.Name() })
}

// Get returns the live webhook of that name.
func Get(name string) (Live, bool) {
	for _, w := range All() {
		if w.Name() == name {
			return w, true
		}
	}
	return nil, false
}
