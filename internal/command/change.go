package command

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/caddy-telegram/telegramwebhook/internal/boundedlog"
	"github.com/caddy-telegram/telegramwebhook/internal/status"
)

const exitDone = `

Exit status: 0 done; 1 not done, or not yet, and the error says why.`

func newRotate() *cobra.Command {
	return &cobra.Command{
		Use:   "rotate [NAME]",
		Short: "Replaces a webhook's kept secret with a new one",
		Long: `
Replaces the kept secret with a new one, and waits a few seconds until Telegram has it.
The old one is accepted for the grace period of ` + "`rotate`" + `, so no update is lost. A
rotation that has begun continues by itself after an error.` + exitDone,
		Example: "  caddy telegram-webhook rotate\n  caddy telegram-webhook rotate 123456789",
		RunE: runChange(func(cmd *cobra.Command, w status.Webhook) (string, error) {
			w, err := request[status.Webhook](cmd, http.MethodPost, escapeName(w.Name)+"/rotate", nil)
			if w.Secret.Due.IsZero() {
				return "Telegram has a new secret", err
			}
			return "Telegram has a new secret; the next rotation is in " + boundedlog.Span(time.Until(w.Secret.Due)), err
		}),
	}
}

func newRegister() *cobra.Command {
	const dropFlag = "drop-pending-updates"
	cmd := &cobra.Command{
		Use:   "register [NAME]",
		Short: "Registers a webhook with Telegram now",
		Long: `
Calls setWebhook now, even if nothing has changed: after the webhook was deleted, or to
take it back from somebody else.` + exitDone,
		Example: "  caddy telegram-webhook register\n  caddy telegram-webhook register --drop-pending-updates 123456789",
		RunE: runChange(func(cmd *cobra.Command, w status.Webhook) (string, error) {
			path := escapeName(w.Name) + "/register"
			if isSet(cmd, dropFlag) {
				path += "?drop_pending_updates=true"
			}
			w, err := request[status.Webhook](cmd, http.MethodPost, path, nil)
			return "registered as " + line(w.URL), err
		}),
	}
	cmd.Flags().Bool(dropFlag, false, "Drop the updates that wait at Telegram")
	return cmd
}

func newDelete() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "delete [NAME]",
		Short: "Deletes a webhook at Telegram, until it is registered again",
		Long: `
Calls deleteWebhook, after asking on standard input. Updates then wait at Telegram
for up to a day, and the bot may fetch them with getUpdates. No reload or restart of
any node registers the webhook again, only ` + "`register`" + ` or another configuration.

For a bot that has left the configuration (see status --all), it removes the records
from storage. It cannot delete the webhook at Telegram then, since Caddy does not have
the bot's token any more.` + exitDone,
		Example: "  caddy telegram-webhook delete\n  caddy telegram-webhook delete --yes 123456789",
		RunE:    runChange(deleteWebhook),
	}
	cmd.Flags().BoolP("yes", "y", false, "Do not ask")
	return cmd
}

func deleteWebhook(cmd *cobra.Command, w status.Webhook) (string, error) {
	if w.State == status.Unmanaged {
		return "", errors.New("nothing here can delete this webhook, since it has no bot_token; set bot_token and reload, or call deleteWebhook with the bot's token")
	}
	question := "Delete the webhook of " + line(w.Name)
	if w.State == status.Orphaned {
		question = "Remove the records of " + line(w.Name) + " from storage"
	}
	if !isSet(cmd, "yes") {
		fmt.Fprint(cmd.ErrOrStderr(), question+"? [y/N] ")
		var answer string
		_, err := fmt.Fscanln(cmd.InOrStdin(), &answer)
		if answer = strings.ToLower(answer); err != nil || answer != "y" && answer != "yes" {
			return "", errors.New("nothing was deleted; answer y, or give --yes")
		}
	}
	w, err := request[status.Webhook](cmd, http.MethodDelete, escapeName(w.Name), nil)
	switch {
	case w.State == status.Orphaned:
		return strings.TrimSpace(line(w.Detail) + ". " + w.Advice), err
	case w.Polling != nil:
		return "deleted; updates are fetched", err
	}
	return "deleted; `register` restores it", err
}

// runChange runs a command that changes one webhook. The function makes the change and returns what was done.
func runChange(change func(*cobra.Command, status.Webhook) (string, error)) func(*cobra.Command, []string) error {
	return func(cmd *cobra.Command, args []string) error {
		w, err := findWebhook(cmd, args, cmd.Name() == "delete" && len(args) == 1)
		if err != nil {
			return err
		}
		done, err := change(cmd, w)
		if err != nil {
			return fmt.Errorf("%s: %w", line(w.Name), err)
		}
		_, err = fmt.Fprintf(cmd.OutOrStdout(), "%s: %s\n", line(w.Name), done)
		return err
	}
}
