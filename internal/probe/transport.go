package probe

import (
	"context"
	"fmt"
	"net/url"
	"strconv"
	"strings"

	"github.com/caddy-telegram/telegramwebhook/internal/wire"
)

// checkRedirect asks for the url by plain http on port 80. Beside another port
// than 443 there is no port that anybody would try, so nothing is asked.
func (a *audit) checkRedirect(ctx context.Context) {
	const (
		check  = "redirect"
		remedy = "redirect port 80 to https, or close it"
	)
	if a.target.Port != 443 {
		a.pass(check, fmt.Sprintf("not asked, since nobody tries http for a url with port %d", a.target.Port))
		return
	}
	plain := a.target
	plain.TLS, plain.Port = false, 80
	answer := a.ask(ctx, plain, asGET(plain.Request("", nil)))
	host, https := leadsTo(answer)
	switch {
	case answer.Err != nil && answer.Status == 0:
		a.pass(check, "nothing is served by http")
	case https && !strings.EqualFold(host, a.target.ServerName()):
		a.warn(check, fmt.Sprintf("http is redirected (%d) to another host, %s", answer.Status, a.show(host)), "redirect port 80 to https on the same host, or close it")
	case https:
		a.pass(check, fmt.Sprintf("http is redirected to https (%d)", answer.Status))
	case 300 <= answer.Status && answer.Status < 400:
		a.warn(check, fmt.Sprintf("http is redirected (%d), but not to https", answer.Status), remedy)
	case 400 <= answer.Status && answer.Status < 500:
		a.pass(check, fmt.Sprintf("http is refused (%d)", answer.Status))
	case answer.Delivered():
		a.fail(check, fmt.Sprintf("http is answered (%d)", answer.Status), remedy)
	default:
		a.warn(check, fmt.Sprintf("http is neither redirected nor refused (%d)", answer.Status), remedy)
	}
}

// leadsTo is the host to which an answer redirects; and whether by https, on the
// port that it has.
func leadsTo(answer *wire.Answer) (host string, https bool) {
	location, err := url.Parse(answer.Header.Get("Location"))
	if err != nil || answer.Status < 300 || answer.Status > 399 {
		return "", false
	}
	return location.Hostname(), location.Scheme == "https" && (location.Port() == "" || location.Port() == "443")
}

// leastAge is what is asked of HSTS: half a year. A browser, or whoever else
// heeds it, is to remember it from one visit to the next.
const leastAge = 180 * 24 * 60 * 60

// checkHSTS looks at the answers that there are.
func (a *audit) checkHSTS() {
	const (
		check  = "hsts"
		header = "Strict-Transport-Security"
		remedy = "send Strict-Transport-Security: max-age=31536000 with every answer"
	)
	value := ""
	for _, answer := range []*wire.Answer{a.none, a.right} {
		if answer == nil || answer.Err != nil {
			continue
		}
		if value = answer.Header.Get(header); value == "" {
			a.warn(check, fmt.Sprintf("no %s in an answer of %d", header, answer.Status), remedy)
			return
		}
	}
	switch age, ok := maxAge(value); {
	case value == "":
		a.warn(check, "no answer to look at", "see no secret")
	case !ok || age == 0:
		a.warn(check, a.show(value)+" has no effect", remedy)
	case age < leastAge:
		a.warn(check, a.show(value)+" is less than half a year", remedy)
	default:
		a.pass(check, a.show(value))
	}
}

func maxAge(hsts string) (seconds int, ok bool) {
	for directive := range strings.SplitSeq(hsts, ";") {
		name, value, _ := strings.Cut(strings.TrimSpace(directive), "=")
		if strings.EqualFold(name, "max-age") {
			seconds, err := strconv.Atoi(strings.Trim(value, `"`))
			return seconds, err == nil && seconds >= 0
		}
	}
	return 0, false
}
