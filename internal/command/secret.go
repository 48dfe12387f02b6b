package command

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/caddy-telegram/telegramwebhook/internal/secret"
)

func newSecret() *cobra.Command {
	return &cobra.Command{
		Use:   "secret",
		Short: "Prints a new, strong secret",
		Long: `
Prints a new secret: 32 random bytes as 43 characters that Telegram takes
(A-Z a-z 0-9 _ -). It is kept nowhere. Put it where Caddy can read it and others
cannot: in a file for {file.PATH}, or in the environment for {env.NAME}.

Exit status: 0.`,
		Example: `  (umask 077; caddy telegram-webhook secret >/etc/caddy/telegram_secret)`,
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			_, err := fmt.Fprintln(cmd.OutOrStdout(), secret.New())
			return err
		},
	}
}
