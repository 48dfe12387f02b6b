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
	webhooks map[string][]configured
}

// configured is a webhook and the configuration that it is of.
type configured struct {
	Live
	config any
}

// Add makes a webhook of a configuration known from now on, and returns what ends
// that. Where a configuration replaces another, the later one's count.
func Add(config any, w Live) (remove func()) {
	name := w.Name()
	live.Lock()
	defer live.Unlock()
	if live.webhooks == nil {
		live.webhooks = make(map[string][]configured)
	}
	live.webhooks[name] = append(live.webhooks[name], configured{w, config})
	return func() {
		live.Lock()
		defer live.Unlock()
		others := slices.DeleteFunc(live.webhooks[name], func(other configured) bool { return other.Live == w })
		if live.webhooks[name] = others; len(others) == 0 {
			delete(live.webhooks, name)
		}
	}
}

// All returns the live webhooks, by name: more than one of a name if the
// configuration has them so, which it is warned of.
func All() []Live {
	live.Lock()
	defer live.Unlock()
	all := make([]Live, 0, len(live.webhooks))
	for _, name := range slices.Sorted(maps.Keys(live.webhooks)) {
		for _, w := range live.webhooks[name] {
			if w.config == latest(live.webhooks[name]).config {
				all = append(all, w.Live)
			}
		}
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
	return latest(webhooks).Live, true
}

func latest(webhooks []configured) configured { return webhooks[len(webhooks)-1] }
