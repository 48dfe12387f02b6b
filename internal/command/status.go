package command

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"strconv"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/caddy-telegram/telegramwebhook/internal/app"
)

func newStatus() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "status [--json] " + adminUsage + " [NAME]",
		Short: "Shows the webhooks of the running Caddy",
		Long: `
Shows the webhooks of the running Caddy: a table of all, or all that is known of
one when NAME is given or there is only one.

  registered  Telegram has the webhook as configured
  unmanaged   something else registers it: there is no bot_token
  pending     the first attempt to register it has not ended yet
  failing     the last attempt has failed; it is made again
  contested   somebody else registers the same bot again and again
  superseded  another node has a newer configuration
  deleted     it was deleted on demand, and stays so until it is registered

The last error that Telegram had stays there after later successes: judge it by its
age. ` + "`audit`" + ` checks whether updates arrive.

--json prints the answer of the admin API: a list, or with NAME one object.
` + adminHelp + `

Exit status:
  0  all that is shown is registered or unmanaged
  1  wrong usage, the admin API cannot be reached, or there is no such webhook
  2  something is pending, failing, contested, superseded or deleted`,
		Args: cobra.MaximumNArgs(1),
		RunE: runStatus,
	}
	cmd.Flags().Bool("json", false, "Print JSON")
	addAdminFlags(cmd)
	return cmd
}

func runStatus(cmd *cobra.Command, args []string) error {
	api, err := findAdminAPI(cmd)
	if err != nil {
		return err
	}
	asJSON, out := isSet(cmd, "json"), cmd.OutOrStdout()
	webhooks, err := api.find(args...)
	if errors.Is(err, errNoWebhook) && asJSON && len(args) == 0 {
		return printJSON(out, []app.Status{})
	}
	if err != nil {
		return err
	}
	switch {
	case asJSON && len(args) == 1:
		err = printJSON(out, webhooks[0])
	case asJSON:
		err = printJSON(out, webhooks)
	case len(webhooks) == 1:
		err = printWebhook(out, webhooks[0])
	default:
		err = printWebhooks(out, webhooks)
	}
	if err != nil {
		return err
	}
	for _, w := range webhooks {
		if !w.Well() {
			return exit(cmd, 2)
		}
	}
	return nil
}

// printWebhooks prints a line for each webhook, and below them what is wrong.
func printWebhooks(out io.Writer, webhooks []app.Status) error {
	const unknown = "-"
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "NAME\tSTATE\tURL\tPENDING\tLAST ERROR\tSECRET")
	advice := ""
	for _, w := range webhooks {
		pending, lastError := unknown, unknown
		if w.Telegram != nil {
			pending, lastError = strconv.Itoa(w.Telegram.Pending), describeLastError(*w.Telegram)
		}
		url := line(cmp.Or(w.URL, w.Address, unknown))
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\t%s\n", line(w.Name), w.State, url, pending, lastError, describeSecret(w.Secret))
		if !w.Well() {
			advice += fmt.Sprintf("\n%s: %s. %s", line(w.Name), describeState(w), w.Advice)
		}
	}
	if advice != "" {
		fmt.Fprintln(table, advice)
	}
	return table.Flush()
}

// printWebhook prints all that is known of one webhook.
func printWebhook(out io.Writer, w app.Status) error {
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	printRow(table, "name", line(w.Name))
	state := w.State
	if !w.Since.IsZero() {
		state += " for " + age(w.Since)
	}
	printRow(table, "state", state)
	printRow(table, "detail", line(w.Detail))
	printRow(table, "url", line(cmp.Or(w.URL, w.Address)))
	if w.RegisteredBy != "" {
		printRow(table, "registered", age(w.RegisteredAt)+" ago by "+line(w.RegisteredBy))
	}
	if t := w.Telegram; t != nil {
		printRow(table, "telegram", describeTelegram(*t, w.URL))
		printRow(table, "pending", strconv.Itoa(t.Pending))
		printRow(table, "last error", describeLastError(*t))
	}
	printRow(table, "secret", describeSecret(w.Secret))
	printRow(table, "passed", strconv.FormatUint(w.Requests["passed"], 10))
	printRow(table, "refused", describeCounts(w.Requests))
	if w.Listener != nil {
		printRow(table, "dropped", fmt.Sprintf("%s; barred now: %d", describeCounts(w.Listener.Dropped), w.Listener.Penalized))
	}
	printRow(table, "advice", w.Advice)
	return table.Flush()
}
