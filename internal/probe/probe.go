// Package probe audits a webhook: from outside, as a stranger meets it, and as
// Telegram does, and from inside, by what its Caddy knows.
package probe

import (
	"context"
	"crypto/x509"
	"net"
	"net/netip"
	"time"

	"github.com/caddy-telegram/telegramwebhook/internal/printable"
	"github.com/caddy-telegram/telegramwebhook/internal/status"
	"github.com/caddy-telegram/telegramwebhook/internal/wire"
)

// Result is what a check came to.
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

// Options say what is known of the webhook, and how to reach it.
type Options struct {
	// Secret is the webhook's; without it half of the checks are left out.
	Secret string

	// Inside is what the webhook's own Caddy says of it; nil if it was not asked.
	Inside *status.Webhook

	// Roots replace the system's, as an uploaded certificate does.
	Roots *x509.CertPool

	// Insecure sends the secret whatever certificate the webhook has.
	Insecure bool

	// Lookup finds a host's IPv4 addresses. Default: the system's resolver.
	Lookup func(ctx context.Context, host string) ([]netip.Addr, error)

	// Dial opens connections. Default: a net.Dialer.
	Dial wire.Dial
}

// kept reports whether the gate has a secret that nobody else has: not to have it
// is nothing to be warned of.
func (o Options) kept() bool { return o.Inside != nil && o.Inside.Secret.Source != "configured" }

// uploaded reports whether Telegram trusts a certificate of the webhook's own.
func (o Options) uploaded() bool {
	return o.Inside != nil && o.Inside.Telegram != nil && o.Inside.Telegram.Certificate
}

// audit is one run of all checks, each of which leaves behind what the next need.
type audit struct {
	target   wire.Target
	opt      Options
	text     printable.Text
	made     int // connections
	findings []Finding

	ip       netip.Addr
	others   []netip.Addr // further addresses of the host that answer
	verified error        // why the certificate is not to be trusted

	// The answers: to an update without a secret, with a wrong and with the
	// right one, and without a secret to a path that nobody has set up. Nil if
	// it was not asked.
	none, wrong, right, elsewhere *wire.Answer

	answers []*wire.Answer // all of them

	guess string // the wrong secret
}

// Outside runs the checks that need nothing but the webhook's url. It makes at
// most MaxRequests connections with at most one request each, all to the url's
// host: to its port, and for the redirect to port 80 if that is 443. The updates
// in them have an id and nothing else. Nothing that it returns holds the secret.
func Outside(ctx context.Context, target wire.Target, o Options) (findings []Finding, requests int) {
	if o.Lookup == nil {
		o.Lookup = func(ctx context.Context, host string) ([]netip.Addr, error) {
			return net.DefaultResolver.LookupNetIP(ctx, "ip4", host)
		}
	}
	if o.Dial == nil {
		o.Dial = new(net.Dialer).DialContext
	}
	ctx, cancel := context.WithTimeout(ctx, 5*time.Minute)
	defer cancel()
	a := &audit{target: target, opt: o, text: printable.Without(o.Secret)}
	a.run(ctx)
	return a.findings, a.made
}

func (a *audit) run(ctx context.Context) {
	a.checkURL()
	if !a.checkAddress(ctx) {
		return
	}
	if a.target.TLS {
		if !a.checkCertificate(ctx) {
			return
		}
		a.checkVersions(ctx)
		a.checkRedirect(ctx)
	}
	a.checkForgeries(ctx)
	a.checkRightSecret(ctx)
	a.checkMethod(ctx)
	a.checkType(ctx)
	a.checkPaths(ctx)
	a.checkRefusals()
	if a.target.TLS {
		a.checkHSTS()
	}
	a.checkStrength()
}

func (a *audit) report(check string, r Result, seen, remedy string) {
	a.findings = append(a.findings, Finding{check, r, seen, remedy})
}

func (a *audit) pass(check, seen string)         { a.report(check, Pass, seen, "") }
func (a *audit) warn(check, seen, remedy string) { a.report(check, Warn, seen, remedy) }
func (a *audit) fail(check, seen, remedy string) { a.report(check, Fail, seen, remedy) }

// maxShown is how much is shown of what a stranger wrote.
const maxShown = 120

// show makes what a stranger wrote fit to be shown.
func (a *audit) show(s string) string { return a.text.Line(s, maxShown) }
