package audit

import (
	"bytes"
	"context"
	"fmt"
	"net/url"
	"regexp"
	"strconv"
	"strings"

	"github.com/caddy-telegram/telegramwebhook/internal/telegram"
)

func (a *audit) checkRedirect(ctx context.Context) Finding {
	const remedy = "redirect port 80 to https on the same host, or close it"
	plain := a.Target
	plain.TLS, plain.Port = false, 80
	get := bytes.Replace(plain.Request("", nil), []byte("POST "), []byte("GET "), 1)
	answer := a.exchange(ctx, plain, get, false)
	switch status := answer.Status; {
	case status == 0:
		return pass("http is not served")
	case redirectsToHTTPS(answer, a.Target.ServerName()):
		return pass(fmt.Sprintf("http is redirected to https (%d)", status))
	case 400 <= status && status < 500:
		return pass(fmt.Sprintf("http is refused (%d)", status))
	case answer.Delivered():
		return fail(fmt.Sprintf("http is answered (%d)", status), remedy)
	default:
		return warn(fmt.Sprintf("http is neither redirected to https nor refused (%d)", status), remedy)
	}
}

func redirectsToHTTPS(answer *telegram.Answer, host string) bool {
	location, err := url.Parse(answer.Header.Get("Location"))
	return err == nil && 300 <= answer.Status && answer.Status < 400 && location.Scheme == "https" &&
		strings.EqualFold(location.Hostname(), host) && (location.Port() == "" || location.Port() == "443")
}

var maxAge = regexp.MustCompile(`(?i)\bmax-age="?(\d+)`)

func (a *audit) checkHSTS() Finding {
	const halfYear = 180 * 24 * 60 * 60
	value := a.noSecret.Header.Get("Strict-Transport-Security")
	if match := maxAge.FindStringSubmatch(value); match != nil {
		if seconds, err := strconv.Atoi(match[1]); err == nil && seconds >= halfYear {
			return pass(a.line(value))
		}
	}
	return warn(fmt.Sprintf("Strict-Transport-Security is %q, less than half a year", a.line(value)), "send Strict-Transport-Security: max-age=31536000 with every answer")
}
