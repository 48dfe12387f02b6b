// Package audit checks a webhook: from outside, by requests such as Telegram or a
// stranger sends, and from inside, by what its own Caddy knows.
package audit

import (
	"context"
	"crypto/rand"
	"crypto/x509"
	"net/netip"

	"github.com/caddy-telegram/telegramwebhook/internal/boundedlog"
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
	// Target is the webhook's url. The checks from outside need it.
	Target telegram.Target

	// Secret is the webhook's secret; empty if it is not known.
	Secret string

	// Status is the webhook's state in its own Caddy. The checks from inside need it.
	Status *status.Webhook

	// Insecure sends the secret even if the certificate is bad or there is no TLS.
	Insecure bool

	// Roots are the certificate authorities; nil for the system's.
	Roots *x509.CertPool

	// Lookup finds a host's addresses, as net.Resolver's LookupNetIP does.
	Lookup func(ctx context.Context, network, host string) ([]netip.Addr, error)

	Dial telegram.Dial
}

// audit is one run of all checks, with the results that later checks use. Its Status is empty
// if none was given.
type audit struct {
	Options
	text     boundedlog.Printable
	findings []Finding

	addresses   []netip.Addr     // that accept connections
	connected   bool             // a request can be sent
	untrusted   bool             // the certificate is bad
	noSecret    *telegram.Answer // to an update without a secret
	rightSecret *telegram.Answer // to an update with the secret; nil if none was sent
	unknownPath *telegram.Answer // to an update for a path that does not exist
}

// Run audits a webhook. It connects to the url's host alone: to its port, and to port 80
// for the redirect. No finding holds the secret.
func Run(ctx context.Context, o Options) []Finding {
	a := &audit{Options: o, text: boundedlog.Without(o.Secret), findings: []Finding{}}
	if o.Status == nil {
		a.Status = new(status.Webhook)
	}
	if o.Target.Host != "" {
		a.checkFromOutside(ctx)
	}
	if o.Status != nil {
		a.checkFromInside()
	}
	return a.findings
}

// checkFromOutside leaves out the checks that an earlier failure makes impossible.
func (a *audit) checkFromOutside(ctx context.Context) {
	a.add("address", a.checkAddress(ctx))
	if len(a.addresses) == 0 {
		return
	}
	a.add("certificate", a.checkCertificate(ctx))
	if a.Target.TLS && a.Target.Port == 443 { // nobody tries http for another port
		a.add("redirect", a.checkRedirect(ctx))
	}
	if !a.connected {
		return
	}
	a.noSecret = a.send(ctx, a.Target, "")
	a.add("no secret", a.judgeRefusal(a.noSecret))
	a.add("wrong secret", a.judgeRefusal(a.send(ctx, a.Target, rand.Text())))
	// Nobody outside knows a kept secret.
	if a.Secret != "" || a.Status.Secret.Source != "kept" {
		a.add("right secret", a.checkRightSecret(ctx))
	}
	if a.noSecret.Err != nil {
		return
	}
	if !a.noSecret.Delivered() {
		a.add("paths", a.checkPaths(ctx))
	}
	if a.Target.TLS {
		a.add("hsts", a.checkHSTS())
	}
}

func (a *audit) checkFromInside() {
	a.add("registration", a.checkRegistration())
	if a.Status.Telegram != nil {
		a.add("last error", a.checkLastError())
		a.add("pending", a.checkPending())
	}
	if a.Status.Polling == nil {
		a.add("secret age", a.checkSecretAge())
	}
}

func (a *audit) add(check string, f Finding) {
	f.Check = check
	a.findings = append(a.findings, f)
}

func pass(seen string) Finding         { return Finding{Result: Pass, Seen: seen} }
func warn(seen, remedy string) Finding { return Finding{Result: Warn, Seen: seen, Remedy: remedy} }
func fail(seen, remedy string) Finding { return Finding{Result: Fail, Seen: seen, Remedy: remedy} }

func (a *audit) line(s string) string { return a.text.Line(s, 200) }
