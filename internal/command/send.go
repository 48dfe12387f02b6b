package command

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/caddy-telegram/telegramwebhook/internal/delivery"
	"github.com/caddy-telegram/telegramwebhook/internal/printable"
	"github.com/caddy-telegram/telegramwebhook/internal/wire"
)

// The exit statuses of send, besides 0 for a delivery and 1 for an error.
const (
	exitRetried  = 2
	exitRemoving = 3
)

func newSend() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "send [--type TYPE | --update FILE] [--secret-file FILE] [--ca FILE | --insecure] URL",
		Short: "Sends an update exactly as Telegram does, and says how Telegram takes the answer",
		Long: `
Sends one update to a webhook, byte for byte as Telegram does: over HTTP/1.1 and
IPv4, with TLS 1.2 or later, the same headers, and 60 seconds for the whole answer.
It shows the answer, and says what Telegram would make of it. It sends once, and
does not carry out what the answer asks for.

The update is a built-in one, with the id of no real update, or a file's. The
people and chats in the built-in ones do not exist, so what a bot sends to them
does not arrive. There is one of each type:
` + types + `.

The secret is read from the environment variable ` + secretEnv + `, or
from --secret-file. Without one the header is not sent. A secret that the gate keeps
is nobody's to give: try the bot itself, at its address on this machine.

An http:// URL works too: a bot on this machine, or a webhook of a local Bot API
server.

Exit status:
  0  delivered
  1  not sent: wrong usage, or the webhook cannot be reached
  2  not delivered; Telegram would send the update again
  3  not delivered, with a 410: Telegram would send the update again, and remove
     the webhook after 23 hours of it`,
		Example: `  caddy telegram-webhook send https://bot.example.com/telegram
  caddy telegram-webhook send --type callback_query --secret-file /etc/caddy/telegram_secret https://bot.example.com/
  caddy telegram-webhook send --update update.json http://localhost:8080/`,
		Args:                  oneURL,
		DisableFlagsInUseLine: true,
		RunE:                  send,
	}
	addUpdateFlags(cmd)
	addSecretFlag(cmd)
	addTrustFlags(cmd)
	return cmd
}

// oneURL asks for the argument URL. Its errors do not repeat arguments: one may
// be a secret.
func oneURL(_ *cobra.Command, args []string) error {
	if len(args) != 1 {
		return errors.New("give one url, such as https://bot.example.com/telegram")
	}
	return nil
}

func send(cmd *cobra.Command, args []string) error {
	d, err := readDelivery(cmd, args[0])
	if err != nil {
		return err
	}
	answer, err := d.deliver(cmd.Context())
	if err != nil {
		return err
	}
	outcome, sentence := delivery.Of(answer)
	if err := d.report(cmd.OutOrStdout(), answer, sentence); err != nil {
		return err
	}
	return exit(cmd, map[delivery.Outcome]int{delivery.Retried: exitRetried, delivery.Removing: exitRemoving}[outcome])
}

// attempt is one update on its way to a webhook.
type attempt struct {
	target  wire.Target
	trust   trust
	secret  string
	update  []byte
	request []byte
}

func readDelivery(cmd *cobra.Command, url string) (a attempt, err error) {
	if a.target, err = parseURL(url); err != nil {
		return a, err
	}
	if cmd.Flag(secretFile).Value.String() == stdin && cmd.Flag(updateFlag).Value.String() == stdin {
		return a, errors.New("--secret-file and --update cannot both read standard input; give one of them a file")
	}
	if a.trust, err = readTrust(cmd); err != nil {
		return a, err
	}
	if a.secret, err = readSecret(cmd); err != nil {
		return a, err
	}
	if a.update, err = readUpdate(cmd); err != nil {
		return a, err
	}
	if a.request = a.target.Request(a.secret, a.update); a.request == nil {
		return a, fmt.Errorf("the url is so long that request line and headers have %d bytes or more; Telegram takes such a webhook, and then never sends anything to it", wire.MaxHead)
	}
	return a, nil
}

// deliver returns the answer, or why the webhook cannot be reached.
func (a attempt) deliver(ctx context.Context) (*wire.Answer, error) {
	ctx, cancel := context.WithTimeout(ctx, wire.Timeout)
	defer cancel()
	conn, err := wire.Open(ctx, new(net.Dialer).DialContext, a.target.Address(""), a.trust.config(a.target))
	if err != nil {
		return nil, a.unreachable(err)
	}
	defer conn.Close()
	return conn.Exchange(a.request, wire.Timeout), nil
}

// unreachable says what is behind it, and what Telegram would note.
func (a attempt) unreachable(err error) error {
	text := printable.Without(a.secret)
	noted := text.Line(err.Error(), maxLine)
	reason := noted
	if cause := errors.Unwrap(err); cause != nil {
		reason = text.Line(cause.Error(), maxLine)
	}
	hint := ""
	switch {
	case strings.Contains(reason, "first record does not look like a TLS handshake"):
		hint = "; nothing speaks TLS there, so write http:// if that is meant"
	case strings.Contains(reason, "x509:"):
		hint = "; --ca trusts the file of an uploaded certificate, --insecure any certificate"
	}
	return fmt.Errorf("the webhook cannot be reached: %s%s. Telegram would note %q, and try again and again", reason, hint, noted)
}

// headers are those that Telegram looks at, and those that say why an answer is
// as it is.
var headers = []string{
	"Content-Type", "Content-Length", "Transfer-Encoding", "Content-Encoding", "Connection",
	"Retry-After", "Location", "Allow", "Www-Authenticate", "Strict-Transport-Security", "Server",
}

const (
	maxLine = 300
	maxBody = 4000
)

// report shows what was sent, what came back, and what it means.
func (a attempt) report(w io.Writer, answer *wire.Answer, sentence string) error {
	text := printable.Without(a.secret)
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	row := func(name, value string) { fmt.Fprintf(table, "%s\t%s\n", name, value) }

	row("sent", fmt.Sprintf("%d bytes to %s", len(a.update), text.Line(a.target.String(), maxLine)))
	row("secret", map[bool]string{true: "sent", false: "none given, so there was no " + wire.SecretHeader}[a.secret != ""])
	if answer.Status != 0 {
		reason := cmp.Or(answer.Reason, http.StatusText(answer.Status))
		row("answer", strings.TrimSpace(fmt.Sprintf("%d %s", answer.Status, text.Line(reason, maxLine))))
	}
	name := "headers"
	for _, key := range headers {
		for _, value := range answer.Header.Values(key) {
			row(name, key+": "+text.Line(value, maxLine))
			name = ""
		}
	}
	name = "body"
	for line := range strings.SplitSeq(text.Block(string(answer.Body), maxBody), "\n") {
		if line != "" || name == "" {
			row(name, strings.ReplaceAll(line, "\t", "    "))
			name = ""
		}
	}
	row("result", text.Line(sentence, 2*maxLine))
	if a.secret == "" && (answer.Status == http.StatusUnauthorized || answer.Status == http.StatusForbidden) {
		row("hint", "no secret was given: set "+secretEnv+", or --secret-file; one that the gate keeps is nobody's to give, so send to the bot itself, such as http://localhost:8080/")
	}
	return table.Flush()
}
