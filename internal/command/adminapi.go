package command

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/caddyserver/caddy/v2"
	caddycmd "github.com/caddyserver/caddy/v2/cmd"
	"github.com/spf13/cobra"

	"github.com/caddy-telegram/telegramwebhook/internal/status"
)

// adminUsage and adminHelp describe the flags of the commands that ask a running
// Caddy.
const adminUsage = "[--address ADDRESS | --config FILE [--adapter NAME]]"

var adminHelp = `
The running Caddy is asked through its admin API, at ` + caddy.DefaultAdminListen + ` unless the
environment variable CADDY_ADMIN says otherwise. --address sets another address,
--config a configuration that holds it.`

func addAdminFlags(cmd *cobra.Command) {
	cmd.Flags().String("address", "", "`address` of the admin API (if --config is not used)")
	cmd.Flags().StringP("config", "c", "", "Configuration `file` (if --address is not used)")
	cmd.Flags().StringP("adapter", "a", "", "`name` of the config adapter to apply (if --config is used)")
	cmd.MarkFlagsMutuallyExclusive("address", "config")
}

var errNoWebhook = errors.New("the running configuration has no telegram_webhook")

// adminAPI is the address of a running Caddy's admin API.
type adminAPI string

// findWebhooks returns the webhook with the given name, or all of the running
// configuration, at least one. The name may be a secret in the wrong place, so it
// is neither sent nor shown.
func findWebhooks(cmd *cobra.Command, name ...string) (all []status.Webhook, api adminAPI, err error) {
	flags := caddycmd.Flags{FlagSet: cmd.Flags()}
	address, err := caddycmd.DetermineAdminAPIAddress(flags.String("address"), nil, flags.String("config"), flags.String("adapter"))
	if err != nil {
		return nil, "", err
	}
	api = adminAPI(address)
	if err := api.request(http.MethodGet, "", &all); err != nil {
		return nil, "", err
	}
	if len(all) == 0 {
		return nil, "", errNoWebhook
	}
	if len(name) == 0 {
		return all, api, nil
	}
	for _, w := range all {
		if w.Name == name[0] {
			return []status.Webhook{w}, api, nil
		}
	}
	return nil, "", errors.New("no webhook has this name; there is " + names(all))
}

func names(webhooks []status.Webhook) string {
	var names []string
	for _, w := range webhooks {
		names = append(names, line(w.Name))
	}
	return strings.Join(names, ", ")
}

// change makes a request that changes a webhook, and returns its new state.
func (a adminAPI) change(method, name, action string) (w status.Webhook, err error) {
	// A dot is escaped too, since "." and ".." are names.
	path := strings.ReplaceAll(url.PathEscape(name), ".", "%2E")
	if err := a.request(method, path+action, &w); err != nil {
		return w, fmt.Errorf("%s: %w", line(name), err)
	}
	return w, nil
}

func (a adminAPI) request(method, path string, answer any) error {
	errNotOurs := fmt.Errorf("the server at %s does not know telegram_webhook: it is a Caddy without this module, or not a Caddy", a)
	resp, err := caddycmd.AdminAPIRequest(string(a), method, status.Endpoint+path, nil, nil)
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
	_, body, _ := strings.Cut(answered, ": ") // after the status
	var refusal struct{ Error string }
	if json.Unmarshal([]byte(body), &refusal) != nil || refusal.Error == "" {
		return errNotOurs
	}
	return errors.New(line(refusal.Error))
}
