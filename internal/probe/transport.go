package probe

import (
	"context"
	"fmt"
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
	location := answer.Header.Get("Location")
	switch {
	case answer.Err != nil && answer.Status == 0:
		a.pass(check, "nothing is served by http")
	case 300 <= answer.Status && answer.Status < 400 && strings.HasPrefix(strings.ToLower(location), "https://"):
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
		a.warn(check, "no answer to look at", remedy)
	case !ok || age == 0:
		a.warn(check, a.show(value)+" has no effect", remedy)
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
