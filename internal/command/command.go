// Package command is the command line `caddy telegram-webhook`.
package command

import (
	"encoding/json"
	"fmt"
	"io"
	"text/tabwriter"

	"github.com/caddyserver/caddy/v2"
	caddycmd "github.com/caddyserver/caddy/v2/cmd"
	"github.com/spf13/cobra"

	"github.com/caddy-telegram/telegramwebhook/internal/boundedlog"
	"github.com/caddy-telegram/telegramwebhook/internal/secret"
)

func init() {
	caddycmd.RegisterCommand(caddycmd.Command{
		Name:  "telegram-webhook",
		Usage: "<command>",
		Short: "Operates, audits and tries out Telegram webhooks",
		Long: `
Operates, audits and tries out Telegram webhooks.

All but secret and send ask the running Caddy through its admin API, at
` + caddy.DefaultAdminListen + ` unless CADDY_ADMIN, --address or --config say otherwise. status shows
the webhooks' names; NAME may be left out when there is one webhook.

A webhook's secret is read from the environment variable ` + secretEnv + `
or from --secret-file (- is standard input). It is never an argument, where other
users of the machine could see it, and only the command secret prints one.`,
		CobraFunc: configure,
	})
}

func configure(cmd *cobra.Command) {
	cmd.Args = cobra.NoArgs // so that an unknown command is an error
	cmd.RunE = func(cmd *cobra.Command, _ []string) error { return cmd.Help() }
	cmd.AddCommand(newStatus(), newRotate(), newRegister(), newDelete(), newSecret(), newSend(), newAudit())
}

func newSecret() *cobra.Command {
	return &cobra.Command{
		Use:   "secret",
		Short: "Prints a new, strong secret",
		Long: `
Prints a new secret, and keeps it nowhere. Put it where Caddy can read it and others
cannot: in a file for {file.PATH}, or in the environment for {env.NAME}.`,
		Example: `  (umask 077; caddy telegram-webhook secret >/etc/caddy/telegram_secret)`,
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			_, err := fmt.Fprintln(cmd.OutOrStdout(), secret.New())
			return err
		},
	}
}

// exit ends a command with an exit status and without an error message.
func exit(cmd *cobra.Command, code int) error {
	cmd.SilenceErrors = true
	return caddycmd.WrapCommandFuncForCobra(func(caddycmd.Flags) (int, error) { return code, nil })(cmd, nil)
}

func isSet(cmd *cobra.Command, flag string) bool {
	return caddycmd.Flags{FlagSet: cmd.Flags()}.Bool(flag)
}

// maxLine is how many characters of a text from elsewhere are shown.
const maxLine = 300

// line makes a text from elsewhere printable on one line.
func line(s string) string { return boundedlog.Printable{}.Line(s, maxLine) }

func newTable(w io.Writer) *tabwriter.Writer { return tabwriter.NewWriter(w, 0, 0, 2, ' ', 0) }

// printRow prints a row of a table unless there is no value.
func printRow(table io.Writer, name, value string) {
	if value != "" {
		fmt.Fprintf(table, "%s\t%s\n", name, value)
	}
}

func printJSON(w io.Writer, v any) error {
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	return enc.Encode(v)
}
