package command

import (
	"cmp"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/caddy-telegram/telegramwebhook/internal/audit"
	"github.com/caddy-telegram/telegramwebhook/internal/status"
	"github.com/caddy-telegram/telegramwebhook/internal/telegram"
)

func newAudit() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "audit [--json] [--insecure] [--secret-file FILE] " + adminUsage + " [URL]",
		Short: "Checks a webhook from outside and from inside, and says what to repair",
		Long: `
Checks a webhook and prints a line for each check: pass, warn or fail, what was
seen, and what to do. From outside, whatever serves the webhook: addresses,
certificate, redirect from http, updates without a secret, with a wrong and with
the right one, other spellings of the path, HSTS. From inside, if the running Caddy
has a webhook with this url: registration, last error, pending updates, and age of
the secret.

Without URL, the only webhook of the running Caddy is audited.

About 20 requests go to the host in the url. The updates in them have an id and
nothing else, which bots ignore. The secret is read from the environment variable
` + secretEnv + `, or from --secret-file. It is not sent if the
certificate is bad, unless --insecure is given. A secret that the gate keeps need
not be given. Most of the requests are refused, so the listener wrapper's penalty
may bar this address after a second audit within a minute.
` + adminHelp + `

Exit status:
  0  everything passes
  1  wrong usage, or without URL: not exactly one webhook is running
  2  at worst there are warnings
  3  something fails`,
		Args: cobra.MaximumNArgs(1),
		RunE: runAudit,
	}
	cmd.Flags().Bool("json", false, "Print the findings as JSON")
	addSecretFlags(cmd)
	addAdminFlags(cmd)
	return cmd
}

func runAudit(cmd *cobra.Command, args []string) (err error) {
	options := audit.Options{Insecure: isSet(cmd, "insecure")}
	if options.Secret, err = readSecret(cmd); err != nil {
		return err
	}
	url := strings.Join(args, "")
	options.Status, err = findAudited(cmd, url)
	switch {
	case err != nil && url == "":
		return err
	case err != nil: // the webhook of another Caddy is checked from outside
		fmt.Fprintf(cmd.ErrOrStderr(), "No checks from inside: %v\n", err)
	case url == "":
		url = cmp.Or(options.Status.URL, options.Status.Address)
	}
	if url != "" {
		if options.Target, err = parseURL(url); err != nil {
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

// findAudited returns the running Caddy's webhook with the given url, or its only
// webhook if no url is given.
func findAudited(cmd *cobra.Command, url string) (*status.Webhook, error) {
	all, _, err := findWebhooks(cmd)
	if err != nil {
		return nil, err
	}
	var urls []string
	for _, w := range all {
		if url == "" && len(all) == 1 || sameURL(w.URL, url) || sameURL(w.Address, url) {
			return &w, nil
		}
		urls = append(urls, line(cmp.Or(w.URL, w.Address, w.Name)))
	}
	known := strings.Join(urls, ", ")
	if url == "" {
		return nil, fmt.Errorf("there are %d webhooks, so give the url of one: %s", len(all), known)
	}
	return nil, fmt.Errorf("the running Caddy has no webhook with this url; it has %s", known)
}

// sameURL reports whether Telegram sends to the same place with both urls.
func sameURL(x, y string) bool {
	a, errA := telegram.ParseTarget(x)
	b, errB := telegram.ParseTarget(y)
	return errA == nil && errB == nil && a == b
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
