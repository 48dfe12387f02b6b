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
		Short: "Operates, audits and tries out Telegram webhooks",
		Long: `
Operates, audits and tries out Telegram webhooks.

status, rotate, register and delete ask the Caddy that runs, through its admin API.
A webhook's name is as status shows it, and may be left out when there is one.

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
	cmd.Example = `  caddy telegram-webhook status
  caddy telegram-webhook audit https://bot.example.com/
  caddy telegram-webhook send https://bot.example.com/`
	for _, sub := range subcommands {
		cmd.AddCommand(sub())
	}
}

// exit ends a command that has said everything with a status of its own.
func exit(cmd *cobra.Command, status int) error {
	cmd.SilenceErrors = true
	return caddycmd.WrapCommandFuncForCobra(func(caddycmd.Flags) (int, error) { return status, nil })(cmd, nil)
}
