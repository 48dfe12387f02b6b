package command

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/caddy-telegram/telegramwebhook/internal/probe"
)

// The exit statuses of audit, besides 0 when everything passes and 1 for wrong
// usage.
const (
	exitWarn = 2
	exitFail = 3
)

// auditor is the command audit.
type auditor struct {
	options probe.Options // how the webhook is reached

	// inside asks the webhook's own Caddy; nil for none.
	inside func(cmd *cobra.Command, url string) (insideView, error)
}

func newAudit() *cobra.Command { return auditor{inside: insider{time.Now}.look}.command() }

func (a auditor) command() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "audit [--json] [--secret-file FILE] [--ca FILE | --insecure] " + adminUsage + " [URL]",
		Short: "Checks a webhook from outside and from inside, and says what to mend",
		Long: `
Checks a webhook from outside, whatever serves it, and prints a line for each
check: pass, warn or fail, what was seen, and what to do.

  url           Telegram takes it: https, port 443, 80, 88 or 8443, not too long
  address       the host has an IPv4 address that answers, and a public one; of
                several, all do
  certificate   is trusted, for the host, and has 14 days left
  tls           1.2 and 1.3 are offered, older versions are not
  redirect      http on port 80 leads to https on the same host, or nowhere
                (only for port 443)
  no secret     is refused
  wrong secret  is refused
  right secret  passes: an update with an id and nothing else, which bots ignore
  method        a GET with the right secret is refused
  type          a request that is not JSON, with the right secret, is refused
  paths         other spellings of the path do not lead past the secret
  refusals      are empty and all the same, and no answer holds the secret
  hsts          answers have Strict-Transport-Security, for half a year or more
  strength      the secret cannot be guessed

If the Caddy that runs here has a telegram_webhook with that url, what it knows is
checked too:

  registration  the webhook is registered, and nobody else registers the bot
  telegram      sends to this url
  last error    Telegram has met none for an hour
  pending       at most 100 updates wait
  secret        is not weak, nor overdue for its rotation
  requests      updates pass, and none is too long
  listener      what the listener wrapper drops, if there is one

Without URL, the one webhook of that Caddy is audited.

It makes at most ` + fmt.Sprint(probe.MaxRequests) + ` requests, all to the host in the url, one more to the admin
API, and none to Telegram. The secret is read from the environment variable
` + secretEnv + `, or from --secret-file; without one, what needs it is
left out. It is not sent to a server whose certificate is bad. A secret that the
gate itself keeps need not be given. Up to 15 of the requests are to
be refused, so that a second audit within a minute may get this address barred by
the listener wrapper's penalty.
` + adminHelp + `

--json prints a list of objects with check, result, seen and remedy instead.

Exit status:
  0  everything passes
  1  wrong usage; without URL also when the admin API cannot be reached, or has
     not one webhook
  2  at worst there are warnings
  3  something fails`,
		Example: `  caddy telegram-webhook audit
  caddy telegram-webhook audit https://bot.example.com/telegram
  caddy telegram-webhook audit --json --secret-file /etc/caddy/telegram_secret https://bot.example.com/`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) > 1 {
				return errors.New("give one url at most, such as https://bot.example.com/telegram")
			}
			return nil
		},
		DisableFlagsInUseLine: true,
		RunE:                  a.run,
	}
	cmd.Flags().Bool("json", false, "Print a list in JSON")
	addSecretFlag(cmd)
	addTrustFlags(cmd)
	addAdminFlags(cmd)
	return cmd
}

func (a auditor) run(cmd *cobra.Command, args []string) error {
	trust, err := readTrust(cmd)
	if err != nil {
		return err
	}
	a.options.Roots, a.options.Insecure = trust.roots, trust.insecure
	if a.options.Secret, err = readSecret(cmd); err != nil {
		return err
	}
	asJSON, err := cmd.Flags().GetBool("json")
	if err != nil {
		return err
	}
	findings, requests, err := a.audit(cmd, args)
	if err != nil {
		return err
	}
	if asJSON {
		err = encode(cmd.OutOrStdout(), findings)
	} else {
		err = table(cmd.OutOrStdout(), findings, requests)
	}
	if err != nil {
		return err
	}
	return exit(cmd, worst(findings))
}

// audit looks from inside first: what comes from outside is counted there.
func (a auditor) audit(c *cobra.Command, args []string) (findings []probe.Finding, requests int, err error) {
	url := ""
	if len(args) == 1 {
		url = args[0]
		if _, err := parseURL(url); err != nil {
			return nil, 0, err
		}
	}
	view, err := a.look(c, url)
	if err != nil {
		return nil, 0, err
	}
	if url = cmp.Or(url, view.url); url == "" {
		return view.findings, view.requests, nil // the registration says why there is none
	}
	target, err := parseURL(url)
	if err != nil {
		return nil, 0, err
	}
	a.options.Inside = view.webhook
	findings, requests = probe.Outside(c.Context(), target, a.options)
	return append(findings, view.findings...), requests + view.requests, nil
}

// look looks inside. A webhook of which the url is given is audited without that too.
func (a auditor) look(cmd *cobra.Command, url string) (view insideView, err error) {
	if a.inside == nil {
		return view, nil
	}
	if view, err = a.inside(cmd, url); err != nil && url != "" {
		_, err = fmt.Fprintf(cmd.ErrOrStderr(), "No view from inside: %v\n", err)
	}
	return view, err
}

// worst is the exit status.
func worst(findings []probe.Finding) (status int) {
	for _, f := range findings {
		status = max(status, map[probe.Result]int{probe.Warn: exitWarn, probe.Fail: exitFail}[f.Result])
	}
	return status
}

func table(w io.Writer, findings []probe.Finding, requests int) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	count := make(map[probe.Result]int)
	for _, f := range findings {
		count[f.Result]++
		line := f.Seen
		if f.Remedy != "" {
			line += " -> " + f.Remedy
		}
		fmt.Fprintf(t, "%s\t%s\t%s\n", f.Result, f.Check, line)
	}
	if err := t.Flush(); err != nil {
		return err
	}
	var counts []string
	for _, r := range []probe.Result{probe.Fail, probe.Warn, probe.Pass} {
		if count[r] > 0 {
			counts = append(counts, fmt.Sprintf("%d %s", count[r], r))
		}
	}
	unit := "requests"
	if requests == 1 {
		unit = "request"
	}
	_, err := fmt.Fprintf(w, "\n%s; %d %s\n", strings.Join(counts, ", "), requests, unit)
	return err
}
