package audit

import (
	"crypto/tls"
	"maps"
	"net/http"
	"strings"
	"testing"
	"time"
)

// fault is a site with one fault. A check that is not named passes; an empty
// finding means that the check is left out.
type fault struct {
	site    site
	options Options           // with the right secret, unless there is another one
	url     string            // other than auditedURL
	want    map[string]string // by check: the result and a part of what was seen
}

func faults() map[string]fault {
	return map[string]fault{
		"none": {},

		"expired":     {site: site{notAfter: -3*day - time.Hour}, want: untrusted("certificate has expired")},
		"self-signed": {site: site{selfSigned: true}, want: untrusted("certificate signed by unknown authority")},
		"wrong host": {site: site{names: []string{"www.example.com", "example.com"}},
			want: untrusted("certificate is valid for www.example.com, example.com, not bot.example.com")},
		"not valid yet":               {site: site{notBefore: day}, want: untrusted("not yet valid")},
		"expires soon":                {site: site{notAfter: 10*day + time.Hour}, want: map[string]string{"certificate": "warn 10 days left"}},
		"short-lived":                 {site: site{notBefore: -day, notAfter: 5*day + time.Hour}},
		"short-lived and not renewed": {site: site{notBefore: -5 * day, notAfter: 12*time.Hour + time.Minute}, want: map[string]string{"certificate": "warn 12 hours left"}},
		"self-signed, insecure":       {site: site{selfSigned: true}, options: Options{Insecure: true}, want: map[string]string{"certificate": "warn unknown authority"}},

		"http is answered":     {site: site{http: answering(200, "hello")}, want: map[string]string{"redirect": "fail http is answered (200)"}},
		"http breaks":          {site: site{http: answering(500, "")}, want: map[string]string{"redirect": "warn neither redirected to https nor refused (500)"}},
		"http to http":         {site: site{http: http.RedirectHandler("http://bot.example.com/", http.StatusMovedPermanently)}, want: map[string]string{"redirect": "warn neither redirected"}},
		"http to another host": {site: site{http: http.RedirectHandler("https://bot.example.com@other.example.com/", http.StatusMovedPermanently)}, want: map[string]string{"redirect": "warn neither redirected"}},
		"http to another port": {site: site{http: http.RedirectHandler("https://bot.example.com:8443/", http.StatusMovedPermanently)}, want: map[string]string{"redirect": "warn neither redirected"}},
		"http to 443":          {site: site{http: http.RedirectHandler("HTTPS://Bot.example.com:443/", http.StatusMovedPermanently)}},
		"http is refused":      {site: site{http: answering(403, "")}},
		"http is not served":   {site: site{noHTTP: true}},
		"another port":         {url: "https://bot.example.com:8443/telegram", want: map[string]string{"redirect": ""}},

		"no HSTS":              {site: site{https: without("Strict-Transport-Security", sound)}, want: map[string]string{"hsts": `warn Strict-Transport-Security is ""`}},
		"HSTS of no use":       {site: site{https: with("Strict-Transport-Security", "max-age=0", sound)}, want: map[string]string{"hsts": `warn "max-age=0", less than half a year`}},
		"HSTS without an age":  {site: site{https: with("Strict-Transport-Security", "includeSubDomains", sound)}, want: map[string]string{"hsts": "warn less than half a year"}},
		"HSTS for half a year": {site: site{https: with("Strict-Transport-Security", `includeSubDomains; Max-Age="15552000"; preload`, sound)}},

		"not checked": {site: site{https: bot}, want: map[string]string{
			"no secret": "fail answered with 200", "wrong secret": "fail answered with 200", "paths": "", "hsts": "warn less than",
		}},
		"checked only when present": {site: site{https: checkedWhenPresent}, want: map[string]string{"no secret": "fail answered with 200", "paths": ""}},
		"410 on mismatch":           {site: site{https: refusing(410)}, want: map[string]string{"no secret": "fail refused with 410", "wrong secret": "fail refused with 410"}},
		"503 without secrets":       {site: site{https: refusing(503)}, want: map[string]string{"no secret": "warn answered with 503", "wrong secret": "warn answered with 503, as by a gate that has no secret yet"}},
		"500 on mismatch":           {site: site{https: refusing(500)}, want: map[string]string{"no secret": "warn answered with 500", "wrong secret": "warn answered with 500"}},
		"500 on every path": {site: site{https: onOtherPaths(answering(500, ""), refusing(500))}, want: map[string]string{
			"no secret": "warn answered with 500", "wrong secret": "warn answered with 500",
		}},
		"401 on mismatch": {site: site{https: refusing(401)}},
		"silent on mismatch": {site: site{https: refusingWith(silence)}, want: map[string]string{
			"no secret": "warn not answered: connection closed", "wrong secret": "warn not answered: connection closed", "paths": "", "hsts": "",
		}},
		"another secret":  {options: Options{Secret: otherSecret}, want: map[string]string{"right secret": "fail refused with 403"}},
		"a call":          {site: site{https: gate(with("Content-Type", "application/json", call))}, want: map[string]string{"right secret": "pass passes (200), and Telegram runs the sendMessage in the answer"}},
		"a call as text":  {site: site{https: gate(with("Content-Type", "text/plain", call))}, want: map[string]string{"right secret": "pass passes (200). Telegram does not run the sendMessage"}},
		"bot away":        {site: site{https: gate(answering(503, ""))}, want: map[string]string{"right secret": "fail not delivered: 503 is not from 200 to 299"}},
		"bot answers 410": {site: site{https: gate(answering(410, ""))}, want: map[string]string{"right secret": "fail it removes the webhook"}},

		"checked on one path only":            {site: site{https: onePath}, want: map[string]string{"paths": "fail any path (200), //telegram (200)"}},
		"open with a slash behind":            {site: site{https: openAt("/telegram/")}, want: map[string]string{"paths": "fail answered without the secret: /telegram/ (200)"}},
		"open with two slashes":               {site: site{https: openAt("//telegram")}, want: map[string]string{"paths": "fail //telegram (200)"}},
		"open in capitals":                    {site: site{https: openAt("/TELEGRAM")}, want: map[string]string{"paths": "fail /TELEGRAM (200)"}},
		"open when escaped":                   {site: site{https: openAt("/%74elegram")}, want: map[string]string{"paths": "fail /%74elegram (200)"}},
		"open with a dot behind":              {site: site{https: openAt("/telegram.")}, want: map[string]string{"paths": "fail /telegram. (200)"}},
		"open with a query":                   {site: site{https: openAt("/telegram?audit=1")}, want: map[string]string{"paths": "fail /telegram?audit=1 (200)"}},
		"open, and the bot is away":           {site: site{https: elseAt("/telegram/", answering(502, ""))}, want: map[string]string{"paths": "fail /telegram/ (502)"}},
		"a bot on every path, never the same": {site: site{https: inTurn("1", "2", "3", "4", "5")}, want: map[string]string{"paths": "fail (200)"}},
		"a page on every path":                {site: site{https: onOtherPaths(with("Content-Type", "text/html", answering(200, "A web page")), sound)}},
		"a bot on every path, by its headers": {site: site{https: inTurn("1", "2")}, want: map[string]string{"paths": "warn perhaps by the bot: any path (200)"}},
		"silent on every other path":          {site: site{https: onOtherPaths(silence, sound)}, want: map[string]string{"paths": "warn 13 of 13 other paths were not answered: any path, //telegram"}},
		"silent on one path":                  {site: site{https: elseAt("/telegram/", silence)}, want: map[string]string{"paths": "warn 1 of 13 other paths were not answered: /telegram/"}},
		"a bot that says no": {site: site{https: sayingNo("no message")}, want: map[string]string{
			"right secret": "fail not delivered", "paths": "fail answered without the secret: /telegram/ (400)",
		}},

		"no secret given": {options: Options{Secret: "-"}, want: map[string]string{"right secret": "warn not sent: no secret was given"}},
	}
}

// untrusted is what a bad certificate leads to.
func untrusted(seen string) map[string]string {
	return map[string]string{"certificate": "fail " + seen, "right secret": "warn not sent to a server with a bad certificate"}
}

func TestFaults(t *testing.T) {
	for name, tc := range faults() {
		t.Run(name, func(t *testing.T) {
			expected := make(map[string]string)
			for _, check := range []string{"address", "certificate", "redirect", "no secret", "wrong secret", "right secret", "paths", "hsts"} {
				expected[check] = "pass"
			}
			maps.Copy(expected, tc.want)
			switch o := &tc.options; o.Secret {
			case "":
				o.Secret = theSecret
			case "-":
				o.Secret = ""
			}
			if tc.url == "" {
				tc.url = auditedURL
			}
			net := tc.site.start(t)
			found := net.audit(t, tc.url, tc.options)
			for check, finding := range expected {
				if finding != "" {
					want(t, found[check], finding)
				} else if _, ok := found[check]; ok {
					t.Errorf("%s is not left out", check)
				}
				delete(found, check)
			}
			if len(found) > 0 {
				t.Errorf("found besides: %v", found)
			}
			if net.sentInClear.Load() || net.secretSent.Load() && strings.HasPrefix(expected["right secret"], "warn not sent") {
				t.Error("the secret was sent")
			}
			for _, call := range net.dialed() {
				if !strings.HasPrefix(call, "tcp4 "+publicIP+":") {
					t.Errorf("dialed %s", call)
				}
			}
		})
	}
}

// TestCertificateChanges has the certificate become bad after it was checked.
func TestCertificateChanges(t *testing.T) {
	net := site{}.start(t)
	bad, _ := site{selfSigned: true}.certificate(t)
	net.swap(func(handshakes int) *tls.Certificate {
		if handshakes == 1 {
			return nil // the one that is checked
		}
		return &bad
	})
	found := net.audit(t, auditedURL, Options{Secret: theSecret})
	want(t, found["certificate"], "pass")
	want(t, found["right secret"], "fail not answered: x509: certificate signed by unknown authority")
	if net.secretSent.Load() {
		t.Error("the secret was sent")
	}
}
