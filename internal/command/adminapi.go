package command

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strings"

	"github.com/caddyserver/caddy/v2"
	caddycmd "github.com/caddyserver/caddy/v2/cmd"
	"github.com/spf13/cobra"

	"github.com/caddy-telegram/telegramwebhook/internal/app"
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

// adminAPI is the address of a running Caddy's admin API.
type adminAPI string

func findAdminAPI(cmd *cobra.Command) (adminAPI, error) {
	flags := caddycmd.Flags{FlagSet: cmd.Flags()}
	address, err := caddycmd.DetermineAdminAPIAddress(flags.String("address"), nil, flags.String("config"), flags.String("adapter"))
	return adminAPI(address), err
}

var errNoWebhook = errors.New("the running configuration has no telegram_webhook")

// find returns the webhook with the given name, or all of the running
// configuration, at least one. The name may be a secret in the wrong place, so it
// is neither sent nor shown.
func (a adminAPI) find(name ...string) (all []app.Status, err error) {
	if err := a.request(http.MethodGet, "", &all); err != nil {
		return nil, err
	}
	if len(all) == 0 {
		return nil, errNoWebhook
	}
	for _, w := range all {
		if len(name) > 0 && w.Name == name[0] {
			return []app.Status{w}, nil
		}
	}
	if len(name) > 0 {
		return nil, errors.New("no webhook has this name; there is " + names(all))
	}
	return all, nil
}

// findOne returns the webhook with the given name, or the only one.
func (a adminAPI) findOne(name ...string) (w app.Status, err error) {
	found, err := a.find(name...)
	if err == nil && len(found) > 1 {
		err = fmt.Errorf("there are %d webhooks, so name one: %s", len(found), names(found))
	}
	if err != nil {
		return w, err
	}
	return found[0], nil
}

func names(webhooks []app.Status) string {
	var names []string
	for _, w := range webhooks {
		names = append(names, line(w.Name))
	}
	return strings.Join(names, ", ")
}

// change does something with a webhook, and returns its state after that.
func (a adminAPI) change(method, name, action string) (w app.Status, err error) {
	// A dot is escaped too, since "." and ".." are names.
	path := strings.ReplaceAll(url.PathEscape(name), ".", "%2E")
	if err := a.request(method, path+action, &w); err != nil {
		return w, fmt.Errorf("%s: %w", line(name), err)
	}
	return w, nil
}

// errorAnswer matches an error of caddycmd.AdminAPIRequest that holds an answer.
var errorAnswer = regexp.MustCompile(`(?s)^caddy responded with error: HTTP \d+: (.*)$`)

// request makes a request and decodes the answer.
func (a adminAPI) request(method, path string, answer any) error {
	errNotOurs := fmt.Errorf("the server at %s does not know telegram_webhook: it is a Caddy without this module, or not a Caddy", a)
	resp, err := caddycmd.AdminAPIRequest(string(a), method, app.Endpoint+path, nil, nil)
	if err != nil {
		match := errorAnswer.FindStringSubmatch(err.Error())
		if match == nil {
			return fmt.Errorf("the admin API at %s cannot be reached (is Caddy running? see --address and --config): %w", a, err)
		}
		var refusal struct{ Error string }
		if json.Unmarshal([]byte(match[1]), &refusal) != nil || refusal.Error == "" {
			return errNotOurs
		}
		return errors.New(line(refusal.Error))
	}
	defer resp.Body.Close()
	if json.NewDecoder(resp.Body).Decode(answer) != nil {
		return errNotOurs
	}
	return nil
}
