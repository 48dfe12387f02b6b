package command

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"time"

	"github.com/caddyserver/caddy/v2"
	caddycmd "github.com/caddyserver/caddy/v2/cmd"
	"github.com/spf13/cobra"

	"github.com/caddy-telegram/telegramwebhook/internal/app"
	"github.com/caddy-telegram/telegramwebhook/internal/printable"
	"github.com/caddy-telegram/telegramwebhook/internal/status"
)

// adminUsage and adminHelp are what the commands say that ask a running Caddy.
const adminUsage = "[--address ADDRESS | --config FILE [--adapter NAME]]"

var adminHelp = `
The Caddy that runs is asked through its admin API, at ` + caddy.DefaultAdminListen + ` unless the
environment variable CADDY_ADMIN says otherwise. --address names another address,
--config the configuration that it is in. With ` + "`admin off`" + ` there is none.`

func addAdminFlags(cmd *cobra.Command) {
	cmd.Flags().String("address", "", "`address` of the admin API (if --config is not used)")
	cmd.Flags().StringP("config", "c", "", "Configuration `file` (if --address is not used)")
	cmd.Flags().StringP("adapter", "a", "", "`name` of the config adapter to apply (if --config is used)")
	cmd.MarkFlagsMutuallyExclusive("address", "config")
}

// adminAPI is the admin API of a running Caddy.
type adminAPI struct {
	address  string
	requests int // made so far
}

func findAdminAPI(cmd *cobra.Command) (*adminAPI, error) {
	flags := caddycmd.Flags{FlagSet: cmd.Flags()}
	address, err := caddycmd.DetermineAdminAPIAddress(flags.String("address"), nil, flags.String("config"), flags.String("adapter"))
	if err != nil {
		return nil, fmt.Errorf("--config: the address of the admin API cannot be found: %w", err)
	}
	if strings.Contains(address, "://") {
		return nil, errors.New("--address: give it as host:port or unix//path, without http://")
	}
	return &adminAPI{address: address}, nil
}

// webhook is one of the running configuration. In JSON it is as it was answered.
type webhook struct {
	status.Webhook
	answer json.RawMessage
}

// UnmarshalJSON satisfies json.Unmarshaler.
func (w *webhook) UnmarshalJSON(b []byte) error {
	w.answer = bytes.Clone(b)
	return json.Unmarshal(b, &w.Webhook)
}

// MarshalJSON satisfies json.Marshaler.
func (w webhook) MarshalJSON() ([]byte, error) { return w.answer, nil }

var errNoWebhook = errors.New("the configuration that runs has no telegram_webhook")

// all returns the webhooks of the running configuration; there is at least one.
func (a *adminAPI) all(ctx context.Context) (all []webhook, err error) {
	if err := a.request(ctx, http.MethodGet, "", &all); err != nil {
		return nil, err
	}
	if len(all) == 0 {
		return nil, errNoWebhook
	}
	return all, nil
}

// some returns the webhook of the name that is given, or else all. The error does
// not repeat the name, nor is it asked for: it may be a secret.
func (a *adminAPI) some(ctx context.Context, args []string) ([]webhook, error) {
	all, err := a.all(ctx)
	if err != nil || len(args) == 0 {
		return all, err
	}
	for _, w := range all {
		if w.Name == args[0] {
			return []webhook{w}, nil
		}
	}
	return nil, errors.New("no webhook has this name; there is " + names(all))
}

// one returns the webhook of the name that is given, or else the only one.
func (a *adminAPI) one(ctx context.Context, args []string) (webhook, error) {
	some, err := a.some(ctx, args)
	if err != nil {
		return webhook{}, err
	}
	if len(some) > 1 {
		return webhook{}, fmt.Errorf("there are %d webhooks, so name one: %s", len(some), names(some))
	}
	return some[0], nil
}

func names(webhooks []webhook) string {
	var names []string
	for _, w := range webhooks {
		names = append(names, line(w.Name))
	}
	return strings.Join(names, ", ")
}

// change does something with a webhook, and returns how it is then.
func (a *adminAPI) change(ctx context.Context, method, name, action string, drop bool) (w webhook, err error) {
	// A dot is escaped too, since "." and ".." are names.
	path := strings.ReplaceAll(url.PathEscape(name), ".", "%2E") + action
	if drop {
		path += "?drop_pending_updates=true"
	}
	if err := a.request(ctx, method, path, &w); err != nil {
		return w, fmt.Errorf("%s: %w", name, err)
	}
	return w, nil
}

const (
	// adminPatience is a little more than Caddy takes for the longest.
	adminPatience = app.AnswerTimeout + 10*time.Second

	maxAnswer = 16 << 20
)

// request makes a request and reads the answer. Caddy's own function for it does
// not take a context.
func (a *adminAPI) request(ctx context.Context, method, path string, into any) error {
	a.requests++
	ctx, cancel := context.WithTimeout(ctx, adminPatience)
	defer cancel()
	done := make(chan error, 1)
	var answer []byte
	go func() {
		resp, err := caddycmd.AdminAPIRequest(a.address, method, app.Endpoint+path, nil, nil)
		if err == nil {
			answer, err = io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
			_ = resp.Body.Close()
		}
		done <- err
	}()
	select {
	case <-ctx.Done():
		return fmt.Errorf("the admin API at %s does not answer in time", a.address)
	case err := <-done:
		if err != nil {
			return a.explain(err)
		}
	}
	if json.Unmarshal(answer, into) != nil {
		return a.other()
	}
	return nil
}

// refusal and failure are the errors of caddycmd.AdminAPIRequest, which are text
// and no more.
var (
	refusal = regexp.MustCompile(`(?s)^caddy responded with error: HTTP \d+: (.*)$`)
	failure = regexp.MustCompile(`(?s)^performing request: .*?": (.*)$`)
)

// explain says what an error of caddycmd.AdminAPIRequest means.
func (a *adminAPI) explain(err error) error {
	if match := refusal.FindStringSubmatch(err.Error()); match != nil {
		var answer struct {
			Error string `json:"error"`
		}
		if json.Unmarshal([]byte(match[1]), &answer) != nil || answer.Error == "" {
			return a.other()
		}
		return errors.New(printable.Text{}.Line(answer.Error, maxBody))
	}
	if match := failure.FindStringSubmatch(err.Error()); match != nil {
		return fmt.Errorf("the admin API at %s cannot be reached: %s. Is Caddy running? If its admin address is another, give it with --address, or the configuration with --config",
			a.address, printable.Text{}.Line(match[1], maxLine))
	}
	return err
}

// other is the error for an answer that is none of ours.
func (a *adminAPI) other() error {
	return fmt.Errorf("what answers at %s knows no telegram_webhook: it is a Caddy without this module, or something else", a.address)
}
