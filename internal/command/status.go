package command

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/caddy-telegram/telegramwebhook/internal/boundedlog"
	"github.com/caddy-telegram/telegramwebhook/internal/status"
)

func newStatus() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "status [NAME]",
		Short: "Shows the webhooks of the running Caddy",
		Long: `
Shows a table of all webhooks of the running Caddy, or the details of one if NAME is
given or there is only one. Telegram's last error stays after later successes: judge
it by its age.

For probes, --ready shows only whether this node can judge requests. It can if it has
the secrets of all webhooks in memory, registered or not.

Exit status: 0 all webhooks shown are registered, polling, standby or unmanaged; 1 wrong
usage, no running Caddy or no such webhook; 2 a webhook is in another state.
With --ready: 0 ready; 1 not ready, or an error.`,
		Example: `  caddy telegram-webhook status
  caddy telegram-webhook status --json 123456789
  caddy telegram-webhook status --ready`,
		RunE: runStatus,
	}
	cmd.Flags().Bool("json", false, "Print the answer of the admin API: a list, or with NAME one object")
	cmd.Flags().Bool("ready", false, "Show only whether this node can judge requests, for probes")
	cmd.Flags().Bool("all", false, "Also show bots that have only records in storage")
	return cmd
}

func runStatus(cmd *cobra.Command, args []string) error {
	if isSet(cmd, "ready") {
		return runReady(cmd, args)
	}
	asJSON, out := isSet(cmd, "json"), cmd.OutOrStdout()
	webhooks, err := findWebhooks(cmd, args, isSet(cmd, "all"))
	if err != nil && !(errors.Is(err, errNoWebhook) && asJSON && len(args) == 0) {
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
	if slices.ContainsFunc(webhooks, func(w status.Webhook) bool { return !w.Well() }) {
		return exit(cmd, 2)
	}
	return nil
}

func runReady(cmd *cobra.Command, args []string) error {
	if len(args) > 0 || isSet(cmd, "json") || isSet(cmd, "all") {
		return usageError(cmd, "--ready is about all webhooks of this node, and takes no NAME, --json or --all")
	}
	if _, err := request[status.Ready](cmd, http.MethodGet, status.ReadyName, nil); err != nil {
		return err
	}
	_, err := fmt.Fprintln(cmd.OutOrStdout(), "ready")
	return err
}

// printWebhooks prints a line for each webhook, and the problems below.
func printWebhooks(out io.Writer, webhooks []status.Webhook) error {
	table := newTable(out)
	fmt.Fprintln(table, "NAME\tSTATE\tURL\tPENDING\tLAST ERROR\tSECRET")
	advice := ""
	for _, w := range webhooks {
		pending, lastError := "-", "-"
		if w.Telegram != nil {
			pending, lastError = strconv.Itoa(w.Telegram.Pending), describeLastError(*w.Telegram)
		}
		if w.Polling != nil {
			pending = strconv.Itoa(w.Polling.Waiting)
		}
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\t%s\n", line(w.Name), w.State, line(cmp.Or(w.URL, w.Address, "-")),
			pending, lastError, describeSecret(w.Secret))
		if problem := line(w.Problem()); problem != "" {
			advice += fmt.Sprintf("\n%s: %s. %s", line(w.Name), problem, w.Advice)
		}
	}
	if advice != "" {
		fmt.Fprintln(table, advice)
	}
	return table.Flush()
}

// printWebhook prints the details of one webhook.
func printWebhook(out io.Writer, w status.Webhook) error {
	table := newTable(out)
	printRow(table, "name", line(w.Name))
	printRow(table, "state", w.State+age(" for %s", w.Since))
	printRow(table, "detail", line(w.Detail))
	printRow(table, "url", line(cmp.Or(w.URL, w.Address)))
	if w.RegisteredBy != "" {
		printRow(table, "registered", age("%s ago by ", w.RegisteredAt)+line(w.RegisteredBy))
	}
	if t := w.Telegram; t != nil {
		has, _ := w.AtTelegram()
		has = "has " + line(has)
		if t.IPAddress != "" {
			has += ", sends to " + line(t.IPAddress)
		}
		if t.MaxConnections > 0 {
			has += fmt.Sprintf(", %d connections", t.MaxConnections)
		}
		if t.Certificate {
			has += ", an uploaded certificate"
		}
		printRow(table, "telegram", has+age(", asked %s ago", t.At))
		printRow(table, "pending", strconv.Itoa(t.Pending))
		printRow(table, "last error", describeLastError(*t))
	}
	if p := w.Polling; p != nil && !p.FetchedAt.IsZero() {
		printRow(table, "fetched", age("%s ago", p.FetchedAt))
		printRow(table, "waiting", strconv.Itoa(p.Waiting))
	}
	if w.State != status.Orphaned {
		printRow(table, "secret", describeSecret(w.Secret))
		printRow(table, "passed", strconv.FormatUint(w.Requests["passed"], 10))
		printRow(table, "refused", describeCounts(w.Requests))
	}
	if s := w.Storage; s != nil {
		access := age(", away for %s", s.AwaySince)
		if access == "" {
			access = age(", read %s ago", s.ReadAt)
		}
		access += age(", written %s ago", s.WrittenAt)
		if s.Leader != "" {
			access += ", led by " + line(s.Leader)
		}
		printRow(table, "storage", line(s.Module)+access)
	}
	if w.Listener != nil {
		printRow(table, "dropped", fmt.Sprintf("%s; barred now: %d", describeCounts(w.Listener.Dropped), w.Listener.Penalized))
	}
	printRow(table, "advice", w.Advice)
	return table.Flush()
}

// age formats the time since at; empty if at is zero.
func age(format string, at time.Time) string {
	if at.IsZero() {
		return ""
	}
	return fmt.Sprintf(format, boundedlog.Span(time.Since(at)))
}

func describeLastError(t status.Telegram) string {
	if t.LastError == "" {
		return "none"
	}
	return line(t.LastError) + age(", %s ago", t.LastErrorAt)
}

// describeSecret returns the secret's source, age and next rotation.
func describeSecret(s status.Secret) string {
	text := cmp.Or(s.Source, "-")
	if s.Weak {
		text += ", weak"
	}
	text += age(", %s old", s.Made)
	switch {
	case s.Source != "kept":
	case s.Made.IsZero():
		text += ", none yet"
	case s.Due.IsZero():
		text += ", not rotated automatically"
	case s.Overdue(time.Now()):
		text += age(", overdue by %s", s.Due)
	default:
		text += ", next in " + boundedlog.Span(time.Until(s.Due))
	}
	return text
}

// describeCounts returns the sum and the reasons: "12 (10 no_secret, 2 wrong_secret)". The trials of an audit are no
// refusals.
func describeCounts(counts map[string]uint64) string {
	var listed []string
	total := uint64(0)
	for _, reason := range slices.Sorted(maps.Keys(counts)) {
		if n := counts[reason]; n > 0 && reason != "passed" && reason != "audit" {
			listed = append(listed, fmt.Sprintf("%d %s", n, reason))
			total += n
		}
	}
	if total == 0 {
		return "none"
	}
	return fmt.Sprintf("%d (%s)", total, strings.Join(listed, ", "))
}
