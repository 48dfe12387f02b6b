// Package command is the command line `caddy telegram-webhook`.
package command

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strconv"
	"strings"
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

The commands use the admin API of the running Caddy, at ` + caddy.DefaultAdminListen + ` unless
CADDY_ADMIN, --address or --config say otherwise. NAME is a webhook's name, as status
shows it, or its url, and may be left out if there is one webhook.

A webhook's secret is read from the environment variable ` + secretEnv + `
or from --secret-file (- is standard input). It is never an argument, where other
users of the machine could see it, and only the command secret prints one.

Exit status: 1 for wrong usage and for any error; the others are each command's own.`,
		CobraFunc: func(cmd *cobra.Command) {
			cmd.Example = "  caddy telegram-webhook status"
			cmd.Args = atMost(0, "no such command")
			cmd.RunE = func(cmd *cobra.Command, _ []string) error { return cmd.Help() }
			cmd.SetFlagErrorFunc(describeFlagError)
			// Caddy's own template ends with the address of a page that does not have these commands.
			cmd.SetHelpTemplate("{{.Long | trimTrailingWhitespaces}}\n\n{{.UsageString}}")
			for _, c := range []*cobra.Command{newStatus(), newRotate(), newRegister(), newDelete(), newSend(), newAudit()} {
				c.Args = atMost(1, "more than one argument")
				c.Flags().String("address", "", "The `address` of the running Caddy's admin API")
				c.Flags().StringP("config", "c", "", "The configuration `file` that has the address, unless --address is given")
				c.Flags().StringP("adapter", "a", "", "The `name` of the config adapter for --config")
				cmd.AddCommand(c)
			}
			cmd.AddCommand(newSecret())
		},
	})
}

// atMost refuses more than n arguments, without repeating them: one may be a secret.
func atMost(n int, problem string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) > n {
			return usageError(cmd, problem)
		}
		return nil
	}
}

func usageError(cmd *cobra.Command, problem string) error {
	return fmt.Errorf("%s; see %s --help", problem, cmd.CommandPath())
}

// describeFlagError replaces messages that repeat the argument, which may be a secret.
func describeFlagError(cmd *cobra.Command, err error) error {
	problem := err.Error()
	if errors.Is(err, strconv.ErrSyntax) {
		problem = "a flag that is on or off has no value but true and false"
	} else if strings.HasPrefix(problem, "unknown shorthand") {
		problem = "unknown flag of one letter"
	}
	return usageError(cmd, problem)
}

// exit ends a command with an exit status and without an error message.
func exit(cmd *cobra.Command, code int) error {
	cmd.SilenceErrors = true
	return caddycmd.WrapCommandFuncForCobra(func(caddycmd.Flags) (int, error) { return code, nil })(cmd, nil)
}

func isSet(cmd *cobra.Command, flag string) bool {
	return caddycmd.Flags{FlagSet: cmd.Flags()}.Bool(flag)
}

// maxLine bounds, in characters, a text that others have written.
const maxLine = 300

// line makes such a text printable on one line.
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

const (
	secretEnv  = "TELEGRAM_WEBHOOK_SECRET"
	secretFile = "secret-file"
)

func newSecret() *cobra.Command {
	return &cobra.Command{
		Use:   "secret",
		Short: "Prints a new, strong secret",
		Long: `
Prints a new secret, and stores it nowhere. Put it where Caddy can read it and others
cannot: in a file for {file.PATH}, or in the environment for {env.NAME}.

Exit status: 0 printed; 1 wrong usage.`,
		Example: "  (umask 077; caddy telegram-webhook secret >/etc/caddy/telegram_secret)",
		Args:    atMost(0, "an argument too many"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			_, err := fmt.Fprintln(cmd.OutOrStdout(), secret.New())
			return err
		},
	}
}

func addSecretFlags(cmd *cobra.Command) {
	cmd.Flags().String(secretFile, "", "The `file` with the webhook's secret, - for standard input (default: the environment variable "+secretEnv+")")
	cmd.Flags().Bool("insecure", false, "Accept any certificate; a server in between can then read the secret")
}

// readSecret returns the webhook's secret; empty if none is given.
func readSecret(cmd *cobra.Command) (string, error) {
	from, value := secretEnv, os.Getenv(secretEnv)
	if cmd.Flags().Changed(secretFile) {
		content, err := readFile(cmd, secretFile)
		if err != nil {
			return "", err
		}
		from, value = "--"+secretFile, string(content)
	} else if value == "" {
		return "", nil
	}
	if err := secret.Check(value); err != nil {
		return "", fmt.Errorf("%s: the secret %w", from, err)
	}
	return value, nil
}

// readFile reads the file that a flag names, or standard input, without the last line end. Its errors omit the name,
// which may be a secret in the wrong place.
func readFile(cmd *cobra.Command, flag string) (content []byte, err error) {
	if name := cmd.Flag(flag).Value.String(); name == "-" {
		content, err = io.ReadAll(cmd.InOrStdin())
	} else {
		content, err = os.ReadFile(name)
	}
	if path, ok := errors.AsType[*fs.PathError](err); ok {
		err = path.Err
	}
	if err != nil {
		return nil, fmt.Errorf("--%s: %w", flag, err)
	}
	return bytes.TrimSuffix(bytes.TrimSuffix(content, []byte("\n")), []byte("\r")), nil
}
