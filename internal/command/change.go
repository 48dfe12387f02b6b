package command

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/caddy-telegram/telegramwebhook/internal/printable"
)

const (
	dropFlag = "drop-pending-updates"
	yesFlag  = "yes"
)

const changeStatus = `

Exit status:
  0  done
  1  not done, or not yet: what the error says`

func newRotate() *cobra.Command {
	return changing(&cobra.Command{
		Use:   "rotate " + adminUsage + " [NAME]",
		Short: "Puts a new secret in the place of a webhook's kept one",
		Long: `
Puts a new secret in the place of a webhook's current one, and waits until Telegram
has it, a few seconds. The one before is accepted for the grace period of ` + "`rotate`" + `.
No update is lost. A rotation that has begun goes on by itself, also after an error.

Only a secret that the gate has made and keeps can be renewed so. NAME may be left
out when there is one webhook.
` + adminHelp + changeStatus,
		Example: `  caddy telegram-webhook rotate
  caddy telegram-webhook rotate --config /etc/caddy/Caddyfile 123456789`,
	}, func(c changer) error {
		w, err := c.do(http.MethodPost, "/rotate", false)
		if err != nil {
			return err
		}
		next := ""
		if !w.Secret.Due.IsZero() {
			next = "; the next rotation is in " + printable.Span(time.Until(w.Secret.Due))
		}
		return c.say("Telegram has a new secret" + next)
	})
}

func newRegister() *cobra.Command {
	cmd := changing(&cobra.Command{
		Use:   "register [--drop-pending-updates] " + adminUsage + " [NAME]",
		Short: "Registers a webhook with Telegram now",
		Long: `
Calls setWebhook now, whatever Telegram has: after the webhook was deleted, or to
take it back from somebody else. NAME may be left out when there is one webhook.
` + adminHelp + changeStatus,
		Example: `  caddy telegram-webhook register
  caddy telegram-webhook register --drop-pending-updates 123456789`,
	}, func(c changer) error {
		w, err := c.do(http.MethodPost, "/register", c.drop)
		if err != nil {
			return err
		}
		return c.say("registered as " + line(w.URL) + c.dropped())
	})
	addDropFlag(cmd)
	return cmd
}

func newDelete() *cobra.Command {
	cmd := changing(&cobra.Command{
		Use:   "delete [--yes] [--drop-pending-updates] " + adminUsage + " [NAME]",
		Short: "Deletes a webhook at Telegram, until it is registered again",
		Long: `
Calls deleteWebhook. Updates wait at Telegram then, for up to a day, and the bot may
fetch them with getUpdates. Nothing registers the webhook again but ` + "`register`" + `, or
another configuration: no reload or restart, on any node.

It asks first; the answer y is read from standard input. NAME may be left out when
there is one webhook.
` + adminHelp + changeStatus,
		Example: `  caddy telegram-webhook delete
  caddy telegram-webhook delete --yes 123456789`,
	}, func(c changer) error {
		if err := c.confirm(); err != nil {
			return err
		}
		if _, err := c.do(http.MethodDelete, "", c.drop); err != nil {
			return err
		}
		return c.say("deleted" + c.dropped() + "; `register` brings it back")
	})
	cmd.Flags().BoolP(yesFlag, "y", false, "Do not ask")
	addDropFlag(cmd)
	return cmd
}

func addDropFlag(cmd *cobra.Command) {
	cmd.Flags().Bool(dropFlag, false, "Throw away the updates that wait at Telegram")
}

// changer changes one webhook.
type changer struct {
	cmd  *cobra.Command
	api  *adminAPI
	w    webhook
	drop bool
}

// changing makes a command that changes one webhook.
func changing(cmd *cobra.Command, run func(changer) error) *cobra.Command {
	cmd.Args = oneName
	cmd.DisableFlagsInUseLine = true
	addAdminFlags(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		api, err := findAdminAPI(cmd)
		if err != nil {
			return err
		}
		w, err := api.one(cmd.Context(), args)
		if err != nil {
			return err
		}
		drop := cmd.Flags().Lookup(dropFlag)
		return run(changer{cmd, api, w, drop != nil && drop.Value.String() == "true"})
	}
	return cmd
}

func (c changer) do(method, action string, drop bool) (webhook, error) {
	return c.api.change(c.cmd.Context(), method, c.w.Name, action, drop)
}

func (c changer) say(what string) error {
	_, err := fmt.Fprintf(c.cmd.OutOrStdout(), "%s: %s\n", line(c.w.Name), what)
	return err
}

func (c changer) dropped() string {
	if c.drop {
		return ", and the updates that waited are thrown away"
	}
	return ""
}

// confirm asks, unless that is not wanted. No answer is a no.
func (c changer) confirm() error {
	if yes, err := c.cmd.Flags().GetBool(yesFlag); yes || err != nil {
		return err
	}
	with := ""
	if c.drop {
		with = ", and throw away the updates that wait"
	}
	if _, err := fmt.Fprintf(c.cmd.ErrOrStderr(), "Delete the webhook of %s%s? [y/N] ", line(c.w.Name), with); err != nil {
		return err
	}
	answer, err := bufio.NewReader(io.LimitReader(c.cmd.InOrStdin(), maxLine)).ReadString('\n')
	if err != nil {
		fmt.Fprintln(c.cmd.ErrOrStderr()) // the answer has not ended the line
	}
	if answer == "" && err != nil {
		return errors.New("nothing is done: there is no answer on standard input; --yes goes on without")
	}
	switch strings.ToLower(strings.TrimSpace(answer)) {
	case "y", "yes":
		return nil
	}
	return errors.New("nothing is done")
}
