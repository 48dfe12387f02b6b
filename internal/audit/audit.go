// Package audit checks a webhook: from outside, by requests such as Telegram or a
// stranger sends, and from inside, by what its own Caddy knows.
package audit

import (
	"context"
	"crypto/x509"
	"net"
	"net/netip"
	"slices"

	"github.com/caddy-telegram/telegramwebhook/internal/printable"
	"github.com/caddy-telegram/telegramwebhook/internal/status"
	"github.com/caddy-telegram/telegramwebhook/internal/telegram"
)

// Result is the result of a check.
type Result string

const (
	Pass Result = "pass"
	Warn Result = "warn"
	Fail Result = "fail"
)

// Finding is one line of an audit.
type Finding struct {
	Check  string `json:"check"`
	Result Result `json:"result"`
	Seen   string `json:"seen"`
	Remedy string `json:"remedy,omitempty"` // empty on a pass
}

// Options say which webhook is audited, and how.
type Options struct {
	// Target is the webhook's url. Without one there are no checks from outside.
	Target telegram.Target

	// Secret is the webhook's secret; empty if it is not known.
	Secret string

	// Status is the webhook's state in its own Caddy. Without it there are no checks
	// from inside.
	Status *status.Webhook

	// Insecure sends the secret even if the certificate is bad or there is no TLS.
	Insecure bool

	// Roots replace the system's certificate authorities.
	Roots *x509.CertPool

	// Lookup finds a host's addresses. Default: net.DefaultResolver.LookupNetIP.
	Lookup func(ctx context.Context, network, host string) ([]netip.Addr, error)

	// Dial opens connections. Default: a net.Dialer.
	Dial telegram.Dial
}

// The checks, one type each.
type (
	address      struct{} // do the host's addresses accept connections
	certificate  struct{} // is it trusted at each of them, and for how long
	redirect     struct{} // what does port 80 do with the url
	noSecret     struct{} // is an update without a secret refused
	wrongSecret  struct{} // and one with a wrong secret
	rightSecret  struct{} // is one with the right secret delivered
	paths        struct{} // does another spelling of the path lead to the bot
	hsts         struct{} // does a refusal have Strict-Transport-Security
	registration struct{} // does Telegram have the webhook
	lastError    struct{} // could Telegram not deliver lately
	pending      struct{} // how many updates wait
	secretAge    struct{} // is the secret renewed in time
)

// condition reports whether a check can be run.
type condition func(*audit) bool

// checks are all checks in the order in which they run. A check is left out
// unless all of its conditions hold.
var checks = []struct {
	name  string
	check interface {
		run(context.Context, *audit) Finding
	}
	needs []condition
}{
	{"address", address{}, []condition{hasURL}},
	{"certificate", certificate{}, []condition{reachable}},
	{"redirect", redirect{}, []condition{reachable, usesTLS}},
	{"no secret", noSecret{}, []condition{connected}},
	{"wrong secret", wrongSecret{}, []condition{connected}},
	{"right secret", rightSecret{}, []condition{connected, secretExpected}},
	{"paths", paths{}, []condition{refuses}},
	{"hsts", hsts{}, []condition{answers, usesTLS}},
	{"registration", registration{}, []condition{hasStatus}},
	{"last error", lastError{}, []condition{hasWebhookInfo}},
	{"pending", pending{}, []condition{hasWebhookInfo}},
	{"secret age", secretAge{}, []condition{hasStatus}},
}

func hasURL(a *audit) bool         { return a.Target.Host != "" }
func usesTLS(a *audit) bool        { return a.Target.TLS }
func reachable(a *audit) bool      { return len(a.addresses) > 0 }
func connected(a *audit) bool      { return a.connected }
func answers(a *audit) bool        { return a.noSecret != nil && a.noSecret.Err == nil }
func refuses(a *audit) bool        { return answers(a) && !a.noSecret.Delivered() }
func hasStatus(a *audit) bool      { return a.Status != nil }
func hasWebhookInfo(a *audit) bool { return a.Status != nil && a.Status.Telegram != nil }

// secretExpected is false if the gate keeps the secret, which nobody else knows.
func secretExpected(a *audit) bool {
	return a.Secret != "" || a.Status == nil || a.Status.Secret.Source == "configured"
}

// audit is one run of all checks, and what the checks leave for later ones.
type audit struct {
	Options
	text printable.Text

	addresses   []netip.Addr     // of the host, those that accept connections
	connected   bool             // a request can be sent
	untrusted   error            // why the certificate is not to be trusted
	noSecret    *telegram.Answer // to an update without a secret
	rightSecret *telegram.Answer // to an update with the secret; nil if none was sent
	unknownPath *telegram.Answer // to an update for a path that nobody has set up
}

// Run audits a webhook. It connects to the url's host only: to its port, and to
// port 80 for the redirect. The updates that it sends have an id and nothing
// else, which bots ignore. No finding holds the secret.
func Run(ctx context.Context, o Options) []Finding {
	if o.Lookup == nil {
		o.Lookup = net.DefaultResolver.LookupNetIP
	}
	if o.Dial == nil {
		o.Dial = new(net.Dialer).DialContext
	}
	a := &audit{Options: o, text: printable.Without(o.Secret)}
	findings := []Finding{}
	for _, c := range checks {
		if slices.ContainsFunc(c.needs, func(holds condition) bool { return !holds(a) }) {
			continue
		}
		f := c.check.run(ctx, a)
		f.Check = c.name
		findings = append(findings, f)
	}
	return findings
}

func pass(seen string) Finding         { return Finding{Result: Pass, Seen: seen} }
func warn(seen, remedy string) Finding { return Finding{Result: Warn, Seen: seen, Remedy: remedy} }
func fail(seen, remedy string) Finding { return Finding{Result: Fail, Seen: seen, Remedy: remedy} }

func (a *audit) line(s string) string { return a.text.Line(s, 200) }
