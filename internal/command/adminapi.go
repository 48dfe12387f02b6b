package command

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"

	caddycmd "github.com/caddyserver/caddy/v2/cmd"
	"github.com/spf13/cobra"

	"github.com/caddy-telegram/telegramwebhook/internal/status"
	"github.com/caddy-telegram/telegramwebhook/internal/telegram"
)

var errNoWebhook = errors.New("the running configuration has no telegram_webhook")

// findWebhooks returns the webhooks with the given name or url, or all of the running configuration; with orphans also
// the bots that have only records in storage. The name may be a secret in the wrong place, so it is neither sent nor shown.
func findWebhooks(cmd *cobra.Command, args []string, orphans bool) (found []status.Webhook, err error) {
	query := ""
	if orphans {
		query = "?all=true"
	}
	all, err := request[[]status.Webhook](cmd, http.MethodGet, query, nil)
	if err != nil {
		return nil, err
	}
	for _, w := range all {
		if len(args) == 0 || w.Name == args[0] || w.State != status.Orphaned && (sameURL(w.URL, args[0]) || sameURL(w.Address, args[0])) {
			found = append(found, w)
		}
	}
	switch {
	case len(all) == 0:
		return []status.Webhook{}, errNoWebhook
	case len(found) == 0:
		return nil, errors.New("no webhook has this name or url; there is " + names(all))
	}
	return found, nil
}

// findWebhook returns the only one.
func findWebhook(cmd *cobra.Command, args []string, orphans bool) (w status.Webhook, err error) {
	found, err := findWebhooks(cmd, args, orphans)
	if err != nil {
		return w, err
	}
	if len(found) > 1 {
		return w, fmt.Errorf("there are %d webhooks, so name one: %s", len(found), names(found))
	}
	return found[0], nil
}

// sameURL reports whether Telegram sends to the same place with both urls.
func sameURL(x, y string) bool {
	a, errA := telegram.ParseTarget(x)
	b, errB := telegram.ParseTarget(y)
	return errA == nil && errB == nil && a == b
}

func names(webhooks []status.Webhook) string {
	var names []string
	for _, w := range webhooks {
		names = append(names, line(w.Name))
	}
	return strings.Join(names, ", ")
}

// escapeName escapes a webhook's name for a path. A dot is escaped too, since "." and ".." are names.
func escapeName(name string) string { return strings.ReplaceAll(url.PathEscape(name), ".", "%2E") }

// request makes a request to the running Caddy's admin API and returns the answer.
func request[T any](cmd *cobra.Command, method, path string, body io.Reader) (answer T, err error) {
	flags := caddycmd.Flags{FlagSet: cmd.Flags()}
	address, err := caddycmd.DetermineAdminAPIAddress(flags.String("address"), nil, flags.String("config"), flags.String("adapter"))
	if err != nil {
		return answer, err
	}
	_ = flags.Set("address", address) // for the next request: --config may be standard input
	errNotOurs := fmt.Errorf("the server at %s does not know telegram_webhook: it is a Caddy without this module, or not a Caddy", address)
	resp, err := caddycmd.AdminAPIRequest(address, method, status.Endpoint+path, nil, body)
	if err == nil {
		defer resp.Body.Close()
		if json.NewDecoder(resp.Body).Decode(&answer) != nil {
			err = errNotOurs
		}
		return answer, err
	}
	_, answered, ok := strings.Cut(err.Error(), "caddy responded with error: HTTP ")
	if !ok {
		return answer, fmt.Errorf("the admin API at %s cannot be reached (is Caddy running? see --address and --config): %w", address, err)
	}
	_, text, _ := strings.Cut(answered, ": ") // after the status
	var refusal struct{ Error string }
	if json.Unmarshal([]byte(text), &refusal) != nil || refusal.Error == "" {
		return answer, errNotOurs
	}
	return answer, errors.New(line(refusal.Error))
}
