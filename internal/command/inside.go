package command

import (
	"cmp"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/caddy-telegram/telegramwebhook/internal/probe"
	"github.com/caddy-telegram/telegramwebhook/internal/status"
	"github.com/caddy-telegram/telegramwebhook/internal/wire"
)

// insideView is what a webhook's own Caddy says of it.
type insideView struct {
	url      string // as registered or configured; empty if that is not known
	findings []probe.Finding
	requests int
	webhook  *status.Webhook
}

// insider looks inside.
type insider struct{ now func() time.Time }

// look asks the admin API for the webhook with that url, or without one for the
// only webhook there is.
func (i insider) look(cmd *cobra.Command, url string) (insideView, error) {
	api, err := findAdminAPI(cmd)
	if err != nil {
		return insideView{}, err
	}
	all, err := api.all(cmd.Context())
	if err != nil {
		return insideView{requests: api.requests}, err
	}
	w, err := audited(all, url)
	if err != nil {
		return insideView{requests: api.requests}, err
	}
	return insideView{
		url:      cmp.Or(w.URL, w.Address),
		findings: probe.Inside(w.Webhook, i.now()),
		requests: api.requests,
		webhook:  &w.Webhook,
	}, nil
}

// audited is the webhook with that url, or without one the only webhook.
func audited(all []webhook, url string) (webhook, error) {
	if url == "" && len(all) == 1 {
		return all[0], nil
	}
	var urls []string
	for _, w := range all {
		if same(w.URL, url) || same(w.Address, url) {
			return w, nil
		}
		urls = append(urls, line(cmp.Or(w.URL, w.Address, w.Name)))
	}
	if url == "" {
		return webhook{}, fmt.Errorf("there are %d webhooks, so give the url of one: %s", len(all), strings.Join(urls, ", "))
	}
	return webhook{}, fmt.Errorf("the Caddy that runs has no webhook with this url; it has %s", strings.Join(urls, ", "))
}

// same reports whether Telegram sends to the same place with both urls.
func same(one, other string) bool {
	a, err := wire.ParseTarget(one)
	if one == "" || err != nil {
		return false
	}
	b, err := wire.ParseTarget(other)
	return err == nil && a == b
}
