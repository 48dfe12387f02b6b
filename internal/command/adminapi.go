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

func addAdminFlags(cmd *cobra.Command) {
	cmd.Flags().String("address", "", "The `address` of the running Caddy's admin API")
	cmd.Flags().StringP("config", "c", "", "The configuration `file` that has the address, unless --address is given")
	cmd.Flags().StringP("adapter", "a", "", "The `name` of the config adapter for --config")
}

var errNoWebhook = errors.New("the running configuration has no telegram_webhook")

// adminAPI is the address of a running Caddy's admin API.
type adminAPI string

func findAdminAPI(cmd *cobra.Command) (adminAPI, error) {
	flags := caddycmd.Flags{FlagSet: cmd.Flags()}
	address, err := caddycmd.DetermineAdminAPIAddress(flags.String("address"), nil, flags.String("config"), flags.String("adapter"))
	return adminAPI(address), err
}

// findWebhooks returns the webhooks with the given name or url, or all of the running
// configuration; with orphans also the bots that have only records in storage. The name may
// be a secret in the wrong place, so it is neither sent nor shown.
func findWebhooks(cmd *cobra.Command, args []string, orphans bool) (found []status.Webhook, api adminAPI, err error) {
	if api, err = findAdminAPI(cmd); err != nil {
		return nil, "", err
	}
	var all []status.Webhook
	query := ""
	if orphans {
		query = "?all=true"
	}
	if err := api.request(http.MethodGet, query, nil, &all); err != nil {
		return nil, "", err
	}
	for _, w := range all {
		if len(args) == 0 || w.Name == args[0] || w.State != status.Orphaned && (sameURL(w.URL, args[0]) || sameURL(w.Address, args[0])) {
			found = append(found, w)
		}
	}
	switch {
	case len(all) == 0:
		return []status.Webhook{}, api, errNoWebhook
	case len(found) == 0:
		return nil, api, errors.New("no webhook has this name or url; there is " + names(all))
	}
	return found, api, nil
}

// findWebhook returns the only one.
func findWebhook(cmd *cobra.Command, args []string, orphans bool) (status.Webhook, adminAPI, error) {
	found, api, err := findWebhooks(cmd, args, orphans)
	if err == nil && len(found) > 1 {
		err = fmt.Errorf("there are %d webhooks, so name one: %s", len(found), names(found))
	}
	if err != nil {
		return status.Webhook{}, "", err
	}
	return found[0], api, nil
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

// escapeName escapes a webhook's name for a path. A dot is escaped too, since "." and ".."
// are names.
func escapeName(name string) string { return strings.ReplaceAll(url.PathEscape(name), ".", "%2E") }

// requestWebhook makes a request about one webhook and returns its state after that.
func (a adminAPI) requestWebhook(method, name, action string) (w status.Webhook, err error) {
	err = a.request(method, escapeName(name)+action, nil, &w)
	return w, err
}

func (a adminAPI) request(method, path string, body io.Reader, answer any) error {
	errNotOurs := fmt.Errorf("the server at %s does not know telegram_webhook: it is a Caddy without this module, or not a Caddy", a)
	resp, err := caddycmd.AdminAPIRequest(string(a), method, status.Endpoint+path, nil, body)
	if err == nil {
		defer resp.Body.Close()
		if json.NewDecoder(resp.Body).Decode(answer) != nil {
			return errNotOurs
		}
		return nil
	}
	_, answered, ok := strings.Cut(err.Error(), "caddy responded with error: HTTP ")
	if !ok {
		return fmt.Errorf("the admin API at %s cannot be reached (is Caddy running? see --address and --config): %w", a, err)
	}
	_, text, _ := strings.Cut(answered, ": ") // after the status
	var refusal struct{ Error string }
	if json.Unmarshal([]byte(text), &refusal) != nil || refusal.Error == "" {
		return errNotOurs
	}
	return errors.New(line(refusal.Error))
}
