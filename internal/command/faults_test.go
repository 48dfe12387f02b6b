package command

import (
	"crypto/tls"
	"maps"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/caddy-telegram/telegramwebhook/internal/probe"
)

// faults are sites with one fault each, and what the audit says of it. What is
// not named passes.
var faults = map[string]struct {
	site   site
	secret string            // other than the right one
	args   []string          // besides --json and --ca
	url    string            // other than auditedURL
	want   map[string]string // by check: the result and a part of what was seen

	remedies map[string]string // by check: a part of it
}{
	"none": {},

	// The certificate. The secret is kept from a server with a bad one.
	"expired":     {site: site{notAfter: -3*day - time.Hour}, want: untried("fail expired 3 days ago")},
	"self-signed": {site: site{selfSigned: true}, want: untried("fail self-signed")},
	"wrong host": {site: site{names: []string{"www.example.com", "example.com"}},
		want: untried("fail for www.example.com, example.com, not for this host")},
	"not valid yet":               {site: site{notBefore: day}, want: untried("fail not valid yet")},
	"expires soon":                {site: site{notAfter: 10*day + time.Hour}, want: map[string]string{"certificate": "warn 10 days left"}},
	"short-lived":                 {site: site{notBefore: -day, notAfter: 5*day + time.Hour}},
	"short-lived and not renewed": {site: site{notBefore: -5 * day, notAfter: 12*time.Hour + time.Minute}, want: map[string]string{"certificate": "warn 12 hours left"}},
	"self-signed, --insecure":     {site: site{selfSigned: true}, args: []string{"--insecure"}, want: map[string]string{"certificate": "warn self-signed, so nobody trusts it; accepted by --insecure"}},

	// TLS and what is around it.
	"TLS 1.1": {site: site{least: tls.VersionTLS10}, want: map[string]string{"tls": "fail 1.1 or older is accepted"}},
	"TLS 1.1 only": {site: site{least: tls.VersionTLS10, most: tls.VersionTLS11}, want: map[string]string{
		"tls": "fail only 1.1 or older", "no secret": "warn not answered: remote error: tls: protocol version not supported",
		"wrong secret": "warn not answered", "right secret": "fail not sent: remote error", "method": "none", "type": "none", "paths": "none",
		"refusals": "none", "hsts": "warn no answer to look at",
	}, remedies: map[string]string{"no secret": "see certificate and tls", "right secret": "see certificate and tls", "hsts": "see no secret"}},
	"no TLS 1.3":       {site: site{most: tls.VersionTLS12}, want: map[string]string{"tls": "warn 1.3 is not offered"}},
	"no TLS 1.2":       {site: site{least: tls.VersionTLS13}, want: map[string]string{"tls": "warn 1.2 is not offered"}},
	"http is answered": {site: site{http: answering(200, "hello")}, want: map[string]string{"redirect": "fail http is answered (200)"}},
	"http breaks":      {site: site{http: answering(500, "")}, want: map[string]string{"redirect": "warn neither redirected nor refused (500)"}},
	"http to http":     {site: site{http: http.RedirectHandler("http://other.example.com/", http.StatusMovedPermanently)}, want: map[string]string{"redirect": "warn redirected (301), but not to https"}},
	"http to another host": {site: site{http: http.RedirectHandler("https://bot.example.com@other.example.com/telegram", http.StatusMovedPermanently)},
		want: map[string]string{"redirect": "warn redirected (301) to another host, other.example.com"}},
	"http to another port": {site: site{http: http.RedirectHandler("https://bot.example.com:8443/", http.StatusMovedPermanently)}, want: map[string]string{"redirect": "warn redirected (301), but not to https"}},
	"http to 443":          {site: site{http: http.RedirectHandler("HTTPS://Bot.example.com:443/", http.StatusMovedPermanently)}},
	"http is refused":      {site: site{http: answering(403, "")}},
	"http is not served":   {site: site{noHTTP: true}},
	"no HSTS":              {site: site{https: without("Strict-Transport-Security", sound)}, want: map[string]string{"hsts": "warn no Strict-Transport-Security in an answer of 403"}},
	"HSTS of no use":       {site: site{https: with("Strict-Transport-Security", "max-age=0", sound)}, want: map[string]string{"hsts": "warn max-age=0 has no effect"}},

	"HSTS for a moment":    {site: site{https: with("Strict-Transport-Security", "max-age=1", sound)}, want: map[string]string{"hsts": "warn max-age=1 is less than half a year"}},
	"HSTS for half a year": {site: site{https: with("Strict-Transport-Security", "max-age=15552000", sound)}},

	// The secret.
	"not checked": {site: site{https: bot}, want: map[string]string{
		"no secret": "fail answered with 200", "wrong secret": "fail answered with 200", "paths": "none", "refusals": "none", "hsts": "warn no Strict",
		"method": "warn answered with 200", "type": "warn answered with 200",
	}},
	"checked only when present": {site: site{https: checkedWhenPresent}, want: map[string]string{"no secret": "fail answered with 200", "paths": "none"}},
	"200 on mismatch": {site: site{https: refusing(200, "")}, want: map[string]string{
		"no secret": "fail answered with 200", "wrong secret": "fail answered with 200", "paths": "none", "refusals": "none",
	}},
	"410 on mismatch": {site: site{https: refusing(410, "")}, want: map[string]string{
		"no secret": "fail refused with 410", "wrong secret": "fail refused with 410",
	}},
	"500 on mismatch": {site: site{https: refusing(500, "")}, want: map[string]string{
		"no secret": "warn answered with 500", "wrong secret": "warn answered with 500",
	}},
	"103 on mismatch": {site: site{https: earlyHints}, want: map[string]string{
		"no secret": "fail answered with 103", "wrong secret": "fail answered with 103", "hsts": "warn in an answer of 103",
	}},
	"401 on mismatch": {site: site{https: refusing(401, "")}},
	"another secret":  {secret: otherSecret, want: map[string]string{"right secret": "fail refused with 403", "method": "none", "type": "none"}},
	"bot away": {site: site{https: gate(answering(503, ""))}, want: map[string]string{
		"right secret": "fail not delivered: 503 is not from 200 to 299", "method": "none", "type": "none",
	}},
	"bot answers 410": {site: site{https: gate(answering(410, ""))}, want: map[string]string{
		"right secret": "fail it removes the webhook", "method": "none", "type": "none",
	}},
	"any method": {site: site{https: anyRequest}, want: map[string]string{"method": "warn is answered with 200", "type": "warn is answered with 200"}},

	// Ways past it.
	"checked on one path only":            {site: site{https: onePath}, want: map[string]string{"paths": "fail any path (200), //telegram (200)"}},
	"open with a slash behind":            {site: site{https: openAt("/telegram/")}, want: map[string]string{"paths": "fail answered without the secret: /telegram/ (200)"}},
	"open with two slashes":               {site: site{https: openAt("//telegram")}, want: map[string]string{"paths": "fail //telegram (200)"}},
	"open in capitals":                    {site: site{https: openAt("/TELEGRAM")}, want: map[string]string{"paths": "fail /TELEGRAM (200)"}},
	"open when escaped":                   {site: site{https: openAt("/%74elegram")}, want: map[string]string{"paths": "fail /%74elegram (200)"}},
	"open with a dot behind":              {site: site{https: openAt("/telegram.")}, want: map[string]string{"paths": "fail /telegram. (200)"}},
	"open with a query":                   {site: site{https: openAt("/telegram?audit=1")}, want: map[string]string{"paths": "fail /telegram?audit=1 (200)"}},
	"a broken way":                        {site: site{https: elseAt("/telegram/", answering(502, ""))}, want: map[string]string{"paths": "fail /telegram/ (502)"}},
	"a bot on every path, never the same": {site: site{https: inTurn("one", "two", "three")}, want: map[string]string{"paths": "fail //telegram (200), /telegram/ (200), /TELEGRAM (200), /telegram. (200) and 8 more"}},
	"a page on every path":                {site: site{https: elsewhere(with("Content-Type", "text/html", answering(200, "A web page")))}},
	"a bot on every path, by its looks": {site: site{https: inTurn("one", "two")},
		want: map[string]string{"paths": "warn perhaps the bot's answer, without the secret: any path (200)"}},

	"silent on every other path": {site: site{https: elsewhere(silence)}, want: map[string]string{
		"paths": "warn 13 of 13 other paths were not answered, so nothing is known of them: any path, //telegram, /telegram/, /TELEGRAM and 9 more",
	}, remedies: map[string]string{"paths": "slow or breaks off"}},
	"silent on one path": {site: site{https: elseAt("/telegram/", silence)}, want: map[string]string{"paths": "warn 1 of 13 other paths were not answered, so nothing is known of them: /telegram/"}},
	"a bot that says no": {site: site{https: sayingNo(http.NotFoundHandler(), "no message")}, want: undelivered("fail answered without the secret: /telegram/ (400)")},
	"a bot that says no, never the same": {site: site{https: sayingNo(http.NotFoundHandler(), "no message", "no text", "no chat")},
		want: undelivered("warn perhaps the bot's answer, without the secret: /telegram/ (400)")},
	"a server that says no": {site: site{https: sayingNo(with("Content-Type", "application/json", answering(400, "no such path")), "no message")}, want: undelivered("pass")},

	// What a stranger learns.
	"secret echoed":            {site: site{https: refusingWith(echo)}, want: map[string]string{"refusals": "fail the refusal repeats the secret that was sent"}},
	"secret told in a refusal": {site: site{https: refusing(403, "want "+rightSecret)}, want: map[string]string{"refusals": "fail an answer holds the secret"}},
	"secret told in a header":  {site: site{https: gate(with("X-Echo", strings.ToUpper(rightSecret), bot))}, want: map[string]string{"refusals": "fail an answer holds the secret"}},
	"an error page": {site: site{https: refusing(403, "Traceback (most recent call last):\n  File \"/app/bot.py\", line 12, in check\n")},
		want: map[string]string{"refusals": "fail an error page (403) shows the inside of the program"}},
	"an error page on another path": {site: site{https: elseAt("/telegram/x", answering(404, "Traceback (most recent call last):\n"))},
		want: map[string]string{"refusals": "fail an error page (404) shows the inside of the program"}},
	"a body":           {site: site{https: refusing(403, "Forbidden\n")}, want: map[string]string{"refusals": "warn a body of 10 bytes"}},
	"two kinds of 403": {site: site{https: refusingWith(otherwise)}, want: map[string]string{"refusals": "warn a missing secret is not refused like a wrong one"}},
	"a version":        {site: site{https: with("Server", "nginx/1.18.0", sound)}, want: map[string]string{"refusals": "warn Server: nginx/1.18.0"}},
	"a framework":      {site: site{https: with("X-Powered-By", "Express", sound)}, want: map[string]string{"refusals": "warn X-Powered-By: Express"}},

	// What needs no request.
	"weak secret":  {site: site{secret: "hunter2"}, secret: "hunter2", want: map[string]string{"strength": "warn the secret has 7 characters"}},
	"another port": {url: "https://bot.example.com:8443/telegram", want: map[string]string{"redirect": "pass not asked"}},
	"no secret given": {secret: none, want: map[string]string{
		"right secret": "warn not tried: no secret was given", "method": "none", "type": "none", "strength": "none",
	}},
}

// untried is what follows from a bad certificate.
func untried(certificate string) map[string]string {
	return map[string]string{
		"certificate": certificate, "method": "none", "type": "none",
		"right secret": "warn not tried: the secret is not sent to a server with a bad certificate",
	}
}

// undelivered is what follows from a bot that takes no bare update.
func undelivered(paths string) map[string]string {
	return map[string]string{"right secret": "fail not delivered", "method": "none", "type": "none", "paths": paths}
}

// checks are all that there are.
var checks = []string{
	"url", "address", "certificate", "tls", "redirect", "no secret", "wrong secret", "right secret",
	"method", "type", "paths", "refusals", "hsts", "strength",
}

func TestAuditFaults(t *testing.T) {
	for name, tc := range faults {
		t.Run(name, func(t *testing.T) {
			want := make(map[string]string)
			for _, check := range checks {
				want[check] = "pass"
			}
			maps.Copy(want, tc.want)

			net := tc.site.start(t)
			got := net.audit(t, tc.secret, append([]string{"--json", orElse(tc.url, auditedURL)}, tc.args...)...)
			seen, status := make(map[string]bool), 0
			for _, f := range findings(t, got) {
				result, part, _ := strings.Cut(want[f.Check], " ")
				if string(f.Result) != result || !strings.Contains(f.Seen, part) || (f.Remedy == "") != (f.Result == probe.Pass) || seen[f.Check] {
					t.Errorf("got %+v, want %s", f, want[f.Check])
				}
				if !strings.Contains(f.Remedy, tc.remedies[f.Check]) {
					t.Errorf("%s: the remedy is %q, want %q", f.Check, f.Remedy, tc.remedies[f.Check])
				}
				seen[f.Check] = true
				status = max(status, map[probe.Result]int{probe.Warn: 2, probe.Fail: 3}[f.Result])
			}
			for _, check := range checks {
				if !seen[check] && want[check] != "none" {
					t.Errorf("nothing about %s", check)
				}
			}
			failure := map[int]string{2: "exiting with status 2", 3: "exiting with status 3"}[status]
			if got.failure != failure || got.err != "" {
				t.Errorf("got failure %q, errors %q, want %q", got.failure, got.err, failure)
			}
			net.check(t, got)
			if net.told.Load() && strings.HasPrefix(want["right secret"], "warn not tried") {
				t.Error("the secret was sent")
			}
		})
	}
}
