package command

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"github.com/spf13/cobra"

	"github.com/caddy-telegram/telegramwebhook/internal/secret"
)

const (
	secretEnv  = "TELEGRAM_WEBHOOK_SECRET"
	secretFile = "secret-file"
	stdin      = "-" // as the name of a file
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

// readFile reads the file that a flag names, or standard input, without the last
// line end. Its errors omit the name, which may be a secret in the wrong place.
func readFile(cmd *cobra.Command, flag string) (content []byte, err error) {
	if name := cmd.Flag(flag).Value.String(); name == stdin {
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
