package command

import (
	"bytes"
	"cmp"
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
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

const updateFlag = "update"

func newSend() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "send [URL|NAME]",
		Short: "Sends an update exactly as Telegram does, and says how Telegram takes the answer",
		Long: `
Sends one update to a webhook once, byte for byte as Telegram does. Shows the answer,
and says how Telegram takes it; a method in the answer is not called.

A URL begins with http:// or https://. With a NAME or without one, the running Caddy
sends the update inside the process: you need not know the secret.

Exit status: 0 delivered; 1 wrong usage, or not sent; 2 not delivered.`,
		Example: `  caddy telegram-webhook send
  caddy telegram-webhook send --update update.json http://localhost:8080/`,
		RunE: runSend,
	}
	cmd.Flags().String(updateFlag, "", "The `file` with the update as JSON, - for standard input (default: a built-in message)")
	addSecretFlags(cmd)
	return cmd
}

func runSend(cmd *cobra.Command, args []string) error {
	update, err := readUpdate(cmd)
	if err != nil {
		return err
	}
	if len(args) == 1 && strings.Contains(args[0], "://") {
		return sendToURL(cmd, args[0], update)
	}
	w, err := findWebhook(cmd, args, false)
	if err != nil {
		return err
	}
	sent, err := request[status.Sent](cmd, http.MethodPost, escapeName(w.Name)+"/send", bytes.NewReader(update))
	if err != nil {
		return fmt.Errorf("%s: %w", line(w.Name), err)
	}
	table := newTable(cmd.OutOrStdout())
	printRow(table, "sent", fmt.Sprintf("%d bytes to %s, by the running Caddy", len(update), line(sent.URL)))
	if !w.Well() {
		printRow(table, "webhook", line(w.State)+", so Telegram may not send to it: see status")
	}
	return printSent(cmd, table, boundedlog.Printable{}, sent)
}

func sendToURL(cmd *cobra.Command, url string, update []byte) error {
	target, err := telegram.ParseTarget(url)
	if err != nil {
		return err
	}
	secret, err := readSecret(cmd)
	if err != nil {
		return err
	}
	request := target.Request(secret, update)
	if request == nil {
		return fmt.Errorf("the url is too long: request line and headers have more than %d bytes, and Telegram sends no such request", telegram.MaxHead)
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
		return fmt.Errorf("the webhook cannot be reached, so Telegram would try again: %s", text.Line(err.Error(), maxLine))
	}
	defer conn.Close()
	answer := telegram.Exchange(conn, request, deadline)

	table := newTable(cmd.OutOrStdout())
	printRow(table, "sent", fmt.Sprintf("%d bytes to %s", len(update), text.Line(target.String(), maxLine)))
	sent := "sent"
	if secret == "" {
		sent = "none; give it in " + secretEnv + " or with --secret-file, or give the webhook's name in place of the url"
	}
	printRow(table, "secret", sent)
	return printSent(cmd, table, text, status.SentTo(url, answer))
}

// printSent prints the answer and how Telegram takes it. The exit status tells whether the update is delivered.
func printSent(cmd *cobra.Command, table *tabwriter.Writer, text boundedlog.Printable, sent status.Sent) error {
	if sent.Status != 0 {
		reason := cmp.Or(sent.Reason, http.StatusText(sent.Status))
		printRow(table, "answer", fmt.Sprintf("%d %s", sent.Status, text.Line(reason, maxLine)))
	}
	name := "headers"
	for _, key := range slices.Sorted(maps.Keys(sent.Header)) {
		for _, value := range sent.Header[key] {
			printRow(table, name, text.Line(key+": "+value, maxLine))
			name = ""
		}
	}
	body := strings.TrimSuffix(text.Block(string(sent.Body), 4000), "\n")
	printRow(table, "body", strings.NewReplacer("\n", "\n\t", "\t", "    ").Replace(body))
	printRow(table, "result", text.Line(sent.Result, 2*maxLine))
	if err := table.Flush(); err != nil || sent.Delivered {
		return err
	}
	return exit(cmd, 2)
}

// readUpdate returns the update of the file, or a built-in message.
func readUpdate(cmd *cobra.Command) ([]byte, error) {
	if !cmd.Flags().Changed(updateFlag) {
		return telegram.SampleMessage(telegram.SampleID()), nil
	}
	update, err := readFile(cmd, updateFlag)
	if err != nil {
		return nil, err
	}
	// Only the update_id is checked: new types of update appear all the time.
	var u struct {
		ID *int64 `json:"update_id"`
	}
	if err := json.Unmarshal(update, &u); err != nil || u.ID == nil {
		return nil, fmt.Errorf("--%s: not an update, which is a JSON object with an update_id", updateFlag)
	}
	if len(update) > telegram.MaxUpdate {
		return nil, fmt.Errorf("--%s: longer than %d bytes; Telegram drops such an update", updateFlag, telegram.MaxUpdate)
	}
	return update, nil
}
