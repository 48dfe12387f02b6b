package command

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/caddy-telegram/telegramwebhook/internal/printable"
)

func newRotate() *cobra.Command {
	return newChange(&cobra.Command{
		Use:   "rotate",
		Short: "Replaces a webhook's kept secret with a new one",
		Long: `
Replaces the secret that the gate keeps with a new one, and waits a few seconds
until Telegram has it. The old one is accepted for the grace period of ` + "`rotate`" + `, so
no update is lost. After an error, a rotation that has begun continues by itself.`,
	}, func(_ *cobra.Command, api adminAPI, name string) (string, error) {
		w, err := api.change(http.MethodPost, name, "/rotate")
		done := "Telegram has a new secret"
		if !w.Secret.Due.IsZero() {
			done += "; the next rotation is in " + printable.Span(time.Until(w.Secret.Due))
		}
		return done, err
	})
}

func newRegister() *cobra.Command {
	cmd := newChange(&cobra.Command{
		Use:   "register [--drop-pending-updates]",
		Short: "Registers a webhook with Telegram now",
		Long: `
Calls setWebhook now, whatever Telegram has: after the webhook was deleted, or to
take it back from somebody else.`,
	}, func(cmd *cobra.Command, api adminAPI, name string) (string, error) {
		query, dropped := dropPending(cmd)
		w, err := api.change(http.MethodPost, name, "/register"+query)
		return "registered as " + line(w.URL) + dropped, err
	})
	addDropFlag(cmd)
	return cmd
}

func newDelete() *cobra.Command {
	cmd := newChange(&cobra.Command{
		Use:   "delete [--yes] [--drop-pending-updates]",
		Short: "Deletes a webhook at Telegram, until it is registered again",
		Long: `
Calls deleteWebhook. Updates then wait at Telegram for up to a day, and the bot may
fetch them with getUpdates. No reload or restart of any node registers the webhook
again, only ` + "`register`" + ` or another configuration.

The command asks first and reads the answer from standard input.`,
	}, func(cmd *cobra.Command, api adminAPI, name string) (string, error) {
		query, dropped := dropPending(cmd)
		if !isSet(cmd, "yes") {
			if err := confirmDelete(cmd, name, query != ""); err != nil {
				return "", err
			}
		}
		_, err := api.change(http.MethodDelete, name, query)
		return "deleted" + dropped + "; `register` restores it", err
	})
	cmd.Flags().BoolP("yes", "y", false, "Do not ask")
	addDropFlag(cmd)
	return cmd
}

// newChange completes a command that changes one webhook and says what was done.
func newChange(cmd *cobra.Command, change func(cmd *cobra.Command, api adminAPI, name string) (string, error)) *cobra.Command {
	cmd.Use += " " + adminUsage + " [NAME]"
	cmd.Long += "\nNAME may be left out when there is one webhook.\n" + adminHelp + `

Exit status:
  0  done
  1  not done, or not yet; the error says why`
	cmd.Args = cobra.MaximumNArgs(1)
	addAdminFlags(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		found, api, err := findWebhooks(cmd, args...)
		if err == nil && len(found) > 1 {
			err = fmt.Errorf("there are %d webhooks, so name one: %s", len(found), names(found))
		}
		if err != nil {
			return err
		}
		name := found[0].Name
		done, err := change(cmd, api, name)
		if err != nil {
			return err
		}
		_, err = fmt.Fprintf(cmd.OutOrStdout(), "%s: %s\n", line(name), done)
		return err
	}
	return cmd
}

const dropFlag = "drop-pending-updates"

func addDropFlag(cmd *cobra.Command) {
	cmd.Flags().Bool(dropFlag, false, "Drop the updates that wait at Telegram")
}

// dropPending returns the query of the request, and what to add to the message.
func dropPending(cmd *cobra.Command) (query, dropped string) {
	if !isSet(cmd, dropFlag) {
		return "", ""
	}
	return "?drop_pending_updates=true", ", pending updates dropped"
}

func confirmDelete(cmd *cobra.Command, name string, drop bool) error {
	question := "Delete the webhook of " + line(name)
	if drop {
		question += " and drop its pending updates"
	}
	fmt.Fprint(cmd.ErrOrStderr(), question+"? [y/N] ")
	var answer string
	_, err := fmt.Fscanln(cmd.InOrStdin(), &answer)
	if answer = strings.ToLower(answer); err == nil && (answer == "y" || answer == "yes") {
		return nil
	}
	return errors.New("nothing is deleted; answer y, or give --yes")
}
