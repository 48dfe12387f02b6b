// Package audit checks a webhook: from outside, by requests such as Telegram or a
// stranger sends, and from inside, by what its own Caddy knows.
//
//   - audit.go: the checks in their order, and those from inside
//   - connect.go: the checks of the address and the certificate
//   - requests.go: the checks of answers
package audit

import (
	"context"
	"crypto/rand"
	"crypto/x509"
	"fmt"
	"net/netip"
	"time"

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

// Options say which webhook is audited, and how. The checks from outside need Target, those from inside need Status.
type Options struct {
	Target   telegram.Target // the webhook's url
	Secret   string          // the webhook's secret; empty if it is not known
	Status   *status.Webhook // the webhook's state in its own Caddy
	Insecure bool            // send the secret even if the certificate is bad or there is no TLS
	Roots    *x509.CertPool  // the certificate authorities; nil for the system's
	Dial     telegram.Dial

	// Lookup finds a host's addresses, as net.Resolver's LookupNetIP does.
	Lookup func(ctx context.Context, network, host string) ([]netip.Addr, error)
}

// audit is one run of all checks, with the results that later checks use. Its Status is empty if none was given.
type audit struct {
	Options
	text     boundedlog.Printable
	findings []Finding

	addresses   []netip.Addr     // that accept connections
	connected   bool             // a request can be sent
	trusted     bool             // the certificate is good
	noSecret    *telegram.Answer // to an update without a secret
	rightSecret *telegram.Answer // to an update with the secret; nil if none was sent
}

// Run audits a webhook. It connects to the url's host alone: to its port, and to port 80 for the redirect. No finding
// holds the secret.
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

func (a *audit) checkRegistration() Finding {
	w, problem := a.Status, a.line(a.Status.Problem())
	has, ok := w.AtTelegram()
	switch {
	case w.State == status.Pending, w.State == status.Superseded, problem != "" && w.Well():
		return warn(problem, w.Advice)
	case problem != "":
		return fail(problem, w.Advice)
	case w.State == status.Polling:
		return pass(fmt.Sprintf("none: the updates are fetched, last %s, and %d wait", ago(w.Polling.FetchedAt), w.Polling.Waiting))
	case w.State == status.Standby:
		return pass("none: another node fetches the updates")
	case w.State == status.Unmanaged:
		return pass("nothing registers the webhook here: there is no bot_token; Telegram was not asked")
	case has != "" && !ok:
		return fail(fmt.Sprintf("Telegram has %s, asked %s", a.line(has), ago(w.Telegram.At)),
			"find who else uses this bot token; `register` takes the webhook back")
	case w.RegisteredBy == "":
		return pass("registered")
	}
	return pass(fmt.Sprintf("registered %s by %s", ago(w.RegisteredAt), a.line(w.RegisteredBy)))
}

// checkLastError judges the error by its age and by the updates that wait, since it stays after later successes.
func (a *audit) checkLastError() Finding {
	const remedy = "check that Telegram reaches the webhook and that the bot answers 200 in time; `send` shows how Telegram takes the answer"
	t := a.Status.Telegram
	if t.LastError == "" {
		return pass("none")
	}
	seen := a.line(t.LastError) + ", " + ago(t.LastErrorAt)
	switch {
	case !t.Recently(time.Now()):
		return pass(seen)
	case t.Pending > 0:
		return fail(seen, remedy)
	default:
		return warn(seen, remedy)
	}
}

func (a *audit) checkPending() Finding {
	t := a.Status.Telegram
	seen := fmt.Sprintf("%d updates, asked %s", t.Pending, ago(t.At))
	if t.Pending > 100 { // more than while the bot keeps up
		return warn(seen, "see \"last error\"; if there is none, make the bot faster")
	}
	return pass(seen)
}

func (a *audit) checkSecretAge() Finding {
	s, now := a.Status.Secret, time.Now()
	if s.Made.IsZero() {
		return pass("not known: the secret is " + s.Source)
	}
	age := boundedlog.Span(now.Sub(s.Made))
	if s.Overdue(now) {
		return warn(fmt.Sprintf("%s, its rotation is overdue by %s", age, boundedlog.Span(now.Sub(s.Due))),
			"see \"registration\" and the log for the reason; `rotate` replaces the secret now")
	}
	return pass(age)
}

func (a *audit) add(check string, f Finding) {
	f.Check = check
	a.findings = append(a.findings, f)
}

func pass(seen string) Finding         { return Finding{Result: Pass, Seen: seen} }
func warn(seen, remedy string) Finding { return Finding{Result: Warn, Seen: seen, Remedy: remedy} }
func fail(seen, remedy string) Finding { return Finding{Result: Fail, Seen: seen, Remedy: remedy} }

func (a *audit) line(s string) string { return a.text.Line(s, 200) }

func ago(at time.Time) string { return boundedlog.Span(time.Since(at)) + " ago" }
