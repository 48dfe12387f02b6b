package command

import (
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
	"time"

	"github.com/spf13/cobra"

	"github.com/caddy-telegram/telegramwebhook/internal/printable"
	"github.com/caddy-telegram/telegramwebhook/internal/telegram"
)

func newSend() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "send URL",
		Short: "Sends an update exactly as Telegram does, and says how Telegram takes the answer",
		Long: `
Sends one update to a webhook, byte for byte as Telegram does, once. Shows the
answer, and says how Telegram would take it; a method in it is not called.

To try a bot whose secret is kept by the gate, send to the bot itself, at its
http:// address on this machine.

Exit status: 0 delivered, 1 not sent, 2 not delivered, 3 not delivered with a 410,
which makes Telegram remove the webhook after 23 hours.`,
		Args: cobra.ExactArgs(1),
		RunE: runSend,
	}
	cmd.Flags().String(updateFlag, "", "`file` with the update as JSON, - for standard input (default: a built-in message)")
	addSecretFlags(cmd)
	return cmd
}

func runSend(cmd *cobra.Command, args []string) error {
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
	text := printable.Without(secret)
	if err != nil {
		return fmt.Errorf("the webhook cannot be reached: %s. Telegram would note %q, and try again and again",
			text.Line(cmp.Or(errors.Unwrap(err), err).Error(), maxLine), text.Line(err.Error(), maxLine))
	}
	defer conn.Close()
	answer := conn.Exchange(request, deadline)

	table := newTable(cmd.OutOrStdout())
	printRow(table, "sent", fmt.Sprintf("%d bytes to %s", len(update), text.Line(target.String(), maxLine)))
	printRow(table, "secret", map[bool]string{true: "sent", false: "none given"}[secret != ""])
	printAnswer(table, text, answer)
	outcome, sentence := answer.Outcome()
	printRow(table, "result", text.Line(sentence, 2*maxLine))
	if secret == "" && (answer.Status == http.StatusUnauthorized || answer.Status == http.StatusForbidden) {
		printRow(table, "hint", "give the secret in "+secretEnv+" or with --secret-file; if the gate keeps it, send to the bot itself, such as http://localhost:8080/")
	}
	if err := table.Flush(); err != nil {
		return err
	}
	return exit(cmd, map[telegram.Outcome]int{telegram.Retried: 2, telegram.Removing: 3}[outcome])
}

func printAnswer(w io.Writer, text printable.Text, answer *telegram.Answer) {
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
