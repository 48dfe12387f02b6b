package command

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/caddy-telegram/telegramwebhook/internal/boundedlog"
	"github.com/caddy-telegram/telegramwebhook/internal/status"
)

const dropFlag = "drop-pending-updates"

func newRotate() *cobra.Command {
	return newChange(&cobra.Command{
		Use:   "rotate [NAME]",
		Short: "Replaces a webhook's kept secret with a new one",
		Long: `
Replaces the secret that the gate keeps with a new one, and waits a few seconds
until Telegram has it. The old one is accepted for the grace period of ` + "`rotate`" + `, so
no update is lost. After an error, a rotation that has begun continues by itself.`,
	}, http.MethodPost, "/rotate", func(w status.Webhook) string {
		if w.Secret.Due.IsZero() {
			return "Telegram has a new secret"
		}
		return "Telegram has a new secret; the next rotation is in " + boundedlog.Span(time.Until(w.Secret.Due))
	})
}

func newRegister() *cobra.Command {
	cmd := newChange(&cobra.Command{
		Use:   "register [NAME]",
		Short: "Registers a webhook with Telegram now",
		Long: `
Calls setWebhook now, whatever Telegram has: after the webhook was deleted, or to
take it back from somebody else.`,
	}, http.MethodPost, "/register", func(w status.Webhook) string { return "registered as " + line(w.URL) })
	cmd.Flags().Bool(dropFlag, false, "Drop the updates that wait at Telegram")
	return cmd
}

func newDelete() *cobra.Command {
	cmd := newChange(&cobra.Command{
		Use:   "delete [NAME]",
		Short: "Deletes a webhook at Telegram, until it is registered again",
		Long: `
Calls deleteWebhook, after asking on standard input. Updates then wait at Telegram
for up to a day, and the bot may fetch them with getUpdates. No reload or restart of
any node registers the webhook again, only ` + "`register`" + ` or another configuration.

Of a bot that has left the configuration it removes the records from storage; status
--all shows those. What Telegram has then cannot be deleted here: the bot's token is
not known any more.`,
	}, http.MethodDelete, "", func(w status.Webhook) string {
		switch {
		case w.State == status.Orphaned:
			return strings.TrimSpace(line(w.Detail) + ". " + w.Advice)
		case w.Polling != nil:
			return "deleted; updates are fetched"
		}
		return "deleted; `register` restores it"
	})
	cmd.Flags().BoolP("yes", "y", false, "Do not ask")
	return cmd
}

// newChange completes a command that makes one request about one webhook, and says
// what was done.
func newChange(cmd *cobra.Command, method, action string, done func(status.Webhook) string) *cobra.Command {
	cmd.Args = cobra.MaximumNArgs(1)
	addAdminFlags(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		w, api, err := findWebhook(cmd, args, method == http.MethodDelete && len(args) == 1)
		if err != nil {
			return err
		}
		query := ""
		if cmd.Flag(dropFlag) != nil && isSet(cmd, dropFlag) {
			query = "?drop_pending_updates=true"
		}
		if method == http.MethodDelete && !isSet(cmd, "yes") {
			if err := confirmDelete(cmd, w); err != nil {
				return err
			}
		}
		if err := api.request(method, escapeName(w.Name)+action+query, nil, &w); err != nil {
			return fmt.Errorf("%s: %w", line(w.Name), err)
		}
		_, err = fmt.Fprintf(cmd.OutOrStdout(), "%s: %s\n", line(w.Name), done(w))
		return err
	}
	return cmd
}

func confirmDelete(cmd *cobra.Command, w status.Webhook) error {
	question := "Delete the webhook of " + line(w.Name)
	if w.State == status.Orphaned {
		question = "Remove the records of " + line(w.Name) + " from storage"
	}
	fmt.Fprint(cmd.ErrOrStderr(), question+"? [y/N] ")
	var answer string
	_, err := fmt.Fscanln(cmd.InOrStdin(), &answer)
	if answer = strings.ToLower(answer); err == nil && (answer == "y" || answer == "yes") {
		return nil
	}
	return errors.New("nothing is deleted; answer y, or give --yes")
}

// escapeName returns a webhook's name as it stands in a path. A dot is escaped too, since
// "." and ".." are names.
func escapeName(name string) string { return strings.ReplaceAll(url.PathEscape(name), ".", "%2E") }
