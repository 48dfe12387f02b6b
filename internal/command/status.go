package command

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/caddy-telegram/telegramwebhook/internal/printable"
	"github.com/caddy-telegram/telegramwebhook/internal/status"
)

// exitUnwell is the exit status of status when a webhook is not as it should be.
const exitUnwell = 2

// reporter is the command status.
type reporter struct{ now func() time.Time }

func newStatus() *cobra.Command { return reporter{time.Now}.command() }

func (r reporter) command() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "status [--json] " + adminUsage + " [NAME]",
		Short: "Shows how the webhooks of the running Caddy stand",
		Long: `
Shows how the webhooks of the running Caddy stand: a table of all, or all that is
known of one when NAME is given or there is only one.

  registered  Telegram has the webhook as configured
  unmanaged   something else registers it: there is no bot_token
  pending     the first attempt to register it has not ended yet
  failing     the last attempt has failed; it is made again
  contested   somebody else registers the same bot again and again
  superseded  another node has a newer configuration
  deleted     it was deleted on demand, and stays so until it is registered

What Telegram has met when it delivered stays there after later successes: judge
the last error by its age. Whether updates arrive, ` + "`audit`" + ` tells.

--json prints what the admin API answers: a list, empty if there is no webhook, or
with NAME one object.
` + adminHelp + `

Exit status:
  0  all that is shown is registered or unmanaged
  1  wrong usage, the admin API cannot be reached, or there is no such webhook
  2  something is pending, failing, contested, superseded or deleted`,
		Example: `  caddy telegram-webhook status
  caddy telegram-webhook status --json | jq '.[].telegram.pending'`,
		Args:                  oneName,
		DisableFlagsInUseLine: true,
		RunE:                  r.run,
	}
	cmd.Flags().Bool("json", false, "Print JSON")
	addAdminFlags(cmd)
	return cmd
}

func oneName(_ *cobra.Command, args []string) error {
	if len(args) > 1 {
		return errors.New("give the name of one webhook at most")
	}
	return nil
}

func (r reporter) run(cmd *cobra.Command, args []string) error {
	asJSON, err := cmd.Flags().GetBool("json")
	if err != nil {
		return err
	}
	api, err := findAdminAPI(cmd)
	if err != nil {
		return err
	}
	webhooks, err := api.some(cmd.Context(), args)
	if errors.Is(err, errNoWebhook) && asJSON && len(args) == 0 {
		webhooks, err = []webhook{}, nil // what reads it gets a list, as from the admin API
	}
	if err != nil {
		return err
	}
	out := cmd.OutOrStdout()
	switch {
	case asJSON && len(args) == 1:
		err = encode(out, webhooks[0])
	case asJSON:
		err = encode(out, webhooks)
	case len(webhooks) == 1:
		err = r.details(out, webhooks[0].Webhook)
	default:
		err = r.table(out, webhooks)
	}
	if err != nil {
		return err
	}
	for _, w := range webhooks {
		if !w.Well() {
			return exit(cmd, exitUnwell)
		}
	}
	return nil
}

// encode prints JSON for people too.
func encode(w io.Writer, v any) error {
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	return enc.Encode(v)
}

// unknown stands for what Telegram has not told.
const unknown = "-"

// table has a line for each webhook, and below it what is wrong.
func (r reporter) table(w io.Writer, webhooks []webhook) error {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "NAME\tSTATE\tURL\tPENDING\tLAST ERROR\tSECRET")
	advice := ""
	for _, s := range webhooks {
		pending, trouble := unknown, unknown
		if s.Telegram != nil {
			pending, trouble = strconv.Itoa(s.Telegram.Pending), s.Telegram.Trouble(r.now())
		}
		name := line(s.Name)
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\t%s\n",
			name, s.State, line(cmp.Or(s.URL, s.Address, unknown)), pending, trouble, s.Secret.Words(r.now()))
		if !s.Well() {
			advice += fmt.Sprintf("%s: %s. %s\n", name, s.Webhook.Trouble(), s.Advice)
		}
	}
	if err := table.Flush(); err != nil {
		return err
	}
	if advice == "" {
		return nil
	}
	_, err := io.WriteString(w, "\n"+advice)
	return err
}

// details is all that is known of one webhook.
func (r reporter) details(w io.Writer, s status.Webhook) error {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	row := func(name, value string) {
		if value != "" {
			fmt.Fprintf(table, "%s\t%s\n", name, value)
		}
	}
	row("name", line(s.Name))
	row("state", s.State+r.since(" for ", s.Since, ""))
	row("detail", line(s.Detail))
	row("url", line(cmp.Or(s.URL, s.Address)))
	if s.RegisteredBy != "" {
		row("registered", strings.TrimSpace(r.since("", s.RegisteredAt, " ago"))+" by "+line(s.RegisteredBy))
	}
	if t := s.Telegram; t != nil {
		row("telegram", holds(*t, s.URL)+r.since(", asked ", t.At, " ago"))
		row("pending", strconv.Itoa(t.Pending))
		row("last error", t.Trouble(r.now()))
	}
	row("secret", s.Secret.Words(r.now()))
	row("passed", strconv.FormatUint(s.Passed(), 10))
	row("refused", s.Refused())
	if s.Listener != nil {
		row("dropped", s.Listener.Words())
	}
	row("advice", s.Advice)
	return table.Flush()
}

// holds says what Telegram has, beside the url that is registered.
func holds(t status.Telegram, url string) string {
	words := "has this url"
	switch t.URL {
	case url:
	case "":
		return "has no webhook"
	default:
		words = "has " + line(t.URL)
	}
	if t.MaxConnections > 0 {
		words += fmt.Sprintf(", %d connections", t.MaxConnections)
	}
	if t.Certificate {
		words += ", an uploaded certificate"
	}
	return words
}

// since is how long ago something was; empty if that is not known.
func (r reporter) since(before string, at time.Time, after string) string {
	if at.IsZero() {
		return ""
	}
	return before + printable.Span(r.now().Sub(at)) + after
}

func line(s string) string { return printable.Text{}.Line(s, maxLine) }
