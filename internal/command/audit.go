package command

import (
	"cmp"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"

	"github.com/spf13/cobra"

	"github.com/caddy-telegram/telegramwebhook/internal/audit"
	"github.com/caddy-telegram/telegramwebhook/internal/status"
	"github.com/caddy-telegram/telegramwebhook/internal/telegram"
)

func newAudit() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "audit [URL|NAME]",
		Short: "Checks a webhook from outside and from inside, and says what to repair",
		Long: `
Checks a webhook from outside, with any server, and from inside, if the running Caddy
has it. Prints a line for each check: pass, warn or fail, what was seen, and what to
do. A URL begins with http:// or https://. Without one, and with a NAME, the webhook
must be one of the running Caddy.

About 20 requests go to the host in the url, with updates that bots ignore. The
running Caddy does not count them as refusals. A kept secret need not be given.

Exit status: 0 all checks pass; 1 wrong usage or no such webhook; 2 warnings; 3 failures.`,
		Example: `  caddy telegram-webhook audit
  TELEGRAM_WEBHOOK_SECRET=... caddy telegram-webhook audit https://bot.example.com/telegram`,
		RunE: runAudit,
	}
	cmd.Flags().Bool("json", false, "Print the findings as JSON")
	addSecretFlags(cmd)
	return cmd
}

func runAudit(cmd *cobra.Command, args []string) (err error) {
	options := audit.Options{Insecure: isSet(cmd, "insecure"), Lookup: net.DefaultResolver.LookupNetIP, Dial: new(net.Dialer).DialContext}
	if options.Secret, err = readSecret(cmd); err != nil {
		return err
	}
	url := strings.Join(args, "")
	w, err := findWebhook(cmd, args, false)
	if err == nil {
		w, err = request[status.Webhook](cmd, http.MethodGet, escapeName(w.Name)+"?audit=true", nil)
	}
	if err == nil {
		options.Status = &w
	}
	switch {
	case err != nil && !strings.Contains(url, "://"):
		return err
	case err != nil:
		fmt.Fprintf(cmd.ErrOrStderr(), "No checks from inside: %v\n", err)
	case w.Polling != nil:
		url = "" // every request from outside is refused
		fmt.Fprintln(cmd.ErrOrStderr(), "No checks from outside: the updates of this bot are fetched, and no address is registered.")
	case url == "" || url == w.Name:
		url = cmp.Or(w.URL, w.Address)
	}
	if url != "" {
		if options.Target, err = telegram.ParseTarget(url); err != nil {
			return err
		}
	}
	findings := audit.Run(cmd.Context(), options)
	if isSet(cmd, "json") {
		err = printJSON(cmd.OutOrStdout(), findings)
	} else {
		err = printFindings(cmd.OutOrStdout(), findings)
	}
	if err != nil {
		return err
	}
	code := 0
	for _, f := range findings {
		code = max(code, map[audit.Result]int{audit.Warn: 2, audit.Fail: 3}[f.Result])
	}
	return exit(cmd, code)
}

func printFindings(w io.Writer, findings []audit.Finding) error {
	table := newTable(w)
	count := make(map[audit.Result]int)
	for _, f := range findings {
		count[f.Result]++
		seen := f.Seen
		if f.Remedy != "" {
			seen += " -> " + f.Remedy
		}
		fmt.Fprintf(table, "%s\t%s\t%s\n", f.Result, f.Check, seen)
	}
	fmt.Fprintf(table, "\n%d fail, %d warn, %d pass\n", count[audit.Fail], count[audit.Warn], count[audit.Pass])
	return table.Flush()
}
