// Package command is `caddy telegram-webhook`, for whoever runs a bot.
package command

import (
	caddycmd "github.com/caddyserver/caddy/v2/cmd"
	"github.com/spf13/cobra"
)

func init() {
	caddycmd.RegisterCommand(caddycmd.Command{
		Name:  "telegram-webhook",
		Usage: "<command>",
		Short: "Makes secrets for Telegram webhooks, tries webhooks out and audits them",
		Long: `
Makes secrets for Telegram webhooks, tries webhooks out and audits them.

A webhook's secret is read from the environment variable ` + secretEnv + `,
or from the file that --secret-file names (- is standard input). It is never an
argument, where other users of the machine could see it, and it is never printed
by any command but the one that makes a new one.`,
		CobraFunc: configure,
	})
}

// subcommands are what telegram-webhook can do.
var subcommands = []func() *cobra.Command{newStatus, newRotate, newRegister, newDelete, newSecret, newSend, newAudit}

func configure(cmd *cobra.Command) {
	cmd.Args = cobra.NoArgs // so that an unknown command is an error
	cmd.DisableFlagsInUseLine = true
	cmd.RunE = func(cmd *cobra.Command, _ []string) error { return cmd.Help() }
	cmd.Example = `  caddy telegram-webhook secret
  caddy telegram-webhook send https://bot.example.com/
  caddy telegram-webhook audit https://bot.example.com/`
	for _, sub := range subcommands {
		cmd.AddCommand(sub())
	}
}

// exit ends a command that has said everything with a status of its own.
func exit(cmd *cobra.Command, status int) error {
	cmd.SilenceErrors = true
	return caddycmd.WrapCommandFuncForCobra(func(caddycmd.Flags) (int, error) { return status, nil })(cmd, nil)
}
