package registry

import (
	"context"
	"maps"
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

// live is the live webhooks by name, the latest of a name last.
var live struct {
	sync.Mutex
	webhooks map[string][]Live
}

// Add makes a webhook known from now on, and returns what ends that. Of two with
// one name, which is a configuration and the one that replaces it, the later
// counts.
func Add(w Live) (remove func()) {
	name := w.Name()
	live.Lock()
	defer live.Unlock()
	if live.webhooks == nil {
		live.webhooks = make(map[string][]Live)
	}
	live.webhooks[name] = append(live.webhooks[name], w)
	return func() {
		live.Lock()
		defer live.Unlock()
		others := slices.DeleteFunc(live.webhooks[name], func(other Live) bool { return other == w })
		if live.webhooks[name] = others; len(others) == 0 {
			delete(live.webhooks, name)
		}
	}
}

// All returns the live webhooks, by name.
func All() []Live {
	live.Lock()
	defer live.Unlock()
	all := make([]Live, 0, len(live.webhooks))
	for _, name := range slices.Sorted(maps.Keys(live.webhooks)) {
		all = append(all, latest(live.webhooks[name]))
	}
	return all
}

// Get returns the live webhook of that name.
func Get(name string) (Live, bool) {
	live.Lock()
	defer live.Unlock()
	webhooks, ok := live.webhooks[name]
	if !ok {
		return nil, false
	}
	return latest(webhooks), true
}

func latest(webhooks []Live) Live { return webhooks[len(webhooks)-1] }
