package command

import (
	"bytes"
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/caddy-telegram/telegramwebhook/internal/boundedlog"
	"github.com/caddy-telegram/telegramwebhook/internal/status"
	"github.com/caddy-telegram/telegramwebhook/internal/telegram"
)

func newSend() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "send [URL|NAME]",
		Short: "Sends an update exactly as Telegram does, and says how Telegram takes the answer",
		Long: `
Sends one update to a webhook, byte for byte as Telegram does, once. Shows the
answer, and says how Telegram would take it; a method in it is not called.

Without a URL the running Caddy hands the update to the webhook of that name, or to
the only one, inside the process: its secret need not be known.

Exit status: 0 delivered, 1 not sent, 2 not delivered, 3 not delivered with a 410,
which makes Telegram remove the webhook after 23 hours.`,
		Args: cobra.MaximumNArgs(1),
		RunE: runSend,
	}
	cmd.Flags().String(updateFlag, "", "`file` with the update as JSON, - for standard input (default: a built-in message)")
	addSecretFlags(cmd)
	addAdminFlags(cmd)
	return cmd
}

func runSend(cmd *cobra.Command, args []string) error {
	if len(args) == 1 && strings.Contains(args[0], "://") {
		return sendToURL(cmd, args)
	}
	webhook, api, err := findWebhook(cmd, args)
	if err != nil {
		return err
	}
	update, err := readUpdate(cmd)
	if err != nil {
		return err
	}
	var sent status.Sent
	if err := api.request(http.MethodPost, escapeName(webhook.Name)+"/send", bytes.NewReader(update), &sent); err != nil {
		return fmt.Errorf("%s: %w", line(webhook.Name), err)
	}
	table := newTable(cmd.OutOrStdout())
	printRow(table, "sent", fmt.Sprintf("%d bytes to %s, by the running Caddy", len(update), line(sent.URL)))
	return printOutcome(cmd, table, boundedlog.Printable{}, &telegram.Answer{Status: sent.Status, Reason: sent.Reason, Header: sent.Header, Body: sent.Body},
		telegram.Outcome(sent.Outcome), sent.Result, "")
}

func sendToURL(cmd *cobra.Command, args []string) error {
	target, err := telegram.ParseTarget(args[0])
	if err != nil {
		return err
	}
	if cmd.Flag(secretFile).Value.String() == stdin && cmd.Flag(updateFlag).Value.String() == stdin {
		return errors.New("--secret-file and --update cannot both read standard input")
	}
	secret, err := readSecret(cmd)
	if err != nil {
		return err
	}
	update, err := readUpdate(cmd)
	if err != nil {
		return err
	}
	request := target.Request(secret, update)
	if request == nil {
		return fmt.Errorf("the url is so long that request line and headers have more than %d bytes, so Telegram never sends anything to it", telegram.MaxHead)
	}
	var config *tls.Config
	if target.TLS {
		config = telegram.TLSConfig(target.ServerName())
		config.InsecureSkipVerify = isSet(cmd, "insecure")
	}
	deadline := time.Now().Add(telegram.Timeout)
	ctx, cancel := context.WithDeadline(cmd.Context(), deadline)
	defer cancel()
	conn, err := telegram.Open(ctx, new(net.Dialer).DialContext, target.Address(""), config)
	text := boundedlog.Without(secret)
	if err != nil {
		return fmt.Errorf("the webhook cannot be reached, and Telegram would try again and again: %s", text.Line(err.Error(), maxLine))
	}
	defer conn.Close()
	answer := telegram.Exchange(conn, request, deadline)

	table := newTable(cmd.OutOrStdout())
	printRow(table, "sent", fmt.Sprintf("%d bytes to %s", len(update), text.Line(target.String(), maxLine)))
	printRow(table, "secret", map[bool]string{true: "sent", false: "none given"}[secret != ""])
	outcome, result := answer.Outcome()
	hint := ""
	if secret == "" && (answer.Status == http.StatusUnauthorized || answer.Status == http.StatusForbidden) {
		hint = "give the secret in " + secretEnv + " or with --secret-file; if the gate keeps it, give the webhook's name in place of the url"
	}
	return printOutcome(cmd, table, text, answer, outcome, result, hint)
}

// printOutcome prints the answer and how Telegram takes it, and ends the command with an
// exit status that says so too.
func printOutcome(cmd *cobra.Command, table *tabwriter.Writer, text boundedlog.Printable, answer *telegram.Answer, outcome telegram.Outcome, result, hint string) error {
	printAnswer(table, text, answer)
	printRow(table, "result", text.Line(result, 2*maxLine))
	printRow(table, "hint", hint)
	if err := table.Flush(); err != nil {
		return err
	}
	return exit(cmd, map[telegram.Outcome]int{telegram.Retried: 2, telegram.Removing: 3}[outcome])
}

func printAnswer(w io.Writer, text boundedlog.Printable, answer *telegram.Answer) {
	if answer.Status != 0 {
		reason := cmp.Or(answer.Reason, http.StatusText(answer.Status))
		printRow(w, "answer", fmt.Sprintf("%d %s", answer.Status, text.Line(reason, maxLine)))
	}
	name := "headers"
	for _, key := range slices.Sorted(maps.Keys(answer.Header)) {
		for _, value := range answer.Header[key] {
			printRow(w, name, text.Line(key+": "+value, maxLine))
			name = ""
		}
	}
	body := strings.TrimSuffix(text.Block(string(answer.Body), 4000), "\n")
	printRow(w, "body", strings.NewReplacer("\n", "\n\t", "\t", "    ").Replace(body))
}
