package audit

import (
	"bytes"
	"context"
	"crypto/rand"
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/caddy-telegram/telegramwebhook/internal/status"
	"github.com/caddy-telegram/telegramwebhook/internal/telegram"
)

func (a *audit) checkRedirect(ctx context.Context) Finding {
	const remedy = "redirect port 80 to https on the same host, or close it"
	plain := a.Target
	plain.TLS, plain.Port = false, 80
	get := bytes.Replace(plain.Request("", nil), []byte("POST "), []byte("GET "), 1)
	answer := a.exchange(ctx, plain, get)
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

// judgeRefusal judges the answer to an update that must be refused.
func (a *audit) judgeRefusal(answer *telegram.Answer) Finding {
	const remedy = "refuse a request without a secret or with a wrong one, with 403"
	switch status := answer.Status; {
	case answer.Err != nil:
		return warn("not answered: "+a.line(answer.Err.Error()), remedyFor(answer.Err, remedy))
	case answer.Delivered():
		return fail(fmt.Sprintf("answered with %d, as if it were genuine", status), remedy)
	case status == 410:
		return fail("refused with 410, which removes the webhook when Telegram gets it for 23 hours", remedy)
	case status == 503:
		return warn("answered with 503, as by a gate that has no secret yet, or whose storage is away", "see the registration; if it is in order, "+remedy)
	case 400 <= status && status < 500:
		return pass(fmt.Sprintf("refused with %d", status))
	default:
		return warn(fmt.Sprintf("answered with %d instead of a refusal", status), remedy)
	}
}

func (a *audit) checkRightSecret(ctx context.Context) Finding {
	switch {
	case a.Secret == "":
		return warn("not sent: no secret was given", "give it in TELEGRAM_WEBHOOK_SECRET or with --secret-file")
	case a.Insecure:
	case a.Target.TLS && !a.trusted:
		return warn("not sent to a server with a bad certificate", "see \"certificate\", or send it anyway with --insecure")
	case !a.Target.TLS && !telegram.IsReserved(a.addresses[0]):
		return warn("not sent in clear over the internet", "use https, or send it anyway with --insecure")
	}
	a.rightSecret = a.send(ctx, a.Target, a.Secret)
	const remedy = "start the bot, and see that it answers 200; `send` shows the whole answer"
	switch answer := a.rightSecret; {
	case answer.Status == 0:
		return fail("not answered: "+a.line(answer.Err.Error()), remedyFor(answer.Err, remedy))
	case answer.Delivered():
		return pass(fmt.Sprintf("passes (%d)%s", answer.Status, a.text.Line(answer.Effect(), 400)))
	case answer.Status == 401, answer.Status == 403:
		return fail(fmt.Sprintf("refused with %d", answer.Status),
			"give this command the webhook's secret; where `source` allows only Telegram's addresses, 403 is right")
	default:
		return fail(a.text.Line(strings.TrimSuffix(answer.Outcome(), "."), 400), remedy)
	}
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

// checkPaths sends updates without a secret to a path that does not exist, and to other spellings of the webhook's
// path. Some of them reach the bot where the gate guards one path beside an unguarded way to the same bot.
func (a *audit) checkPaths(ctx context.Context) Finding {
	tried := append([]string{"/" + rand.Text()}, variants(a.Target.Query)...)
	answers := make([]*telegram.Answer, len(tried))
	var sending sync.WaitGroup
	for i, query := range tried {
		t := a.Target
		t.Query = query
		// In parallel, since a bot may be slow, and a path may never answer.
		sending.Go(func() { answers[i] = a.send(ctx, t, "") })
	}
	sending.Wait()
	tried[0] = "any path"
	found := make(map[Result][]string)
	var silent []string
	var err error // of a silent one
	for i, answer := range answers {
		if answer.Err != nil {
			silent, err = append(silent, tried[i]), answer.Err
			continue
		}
		result := a.judgePath(answer, answers[0])
		found[result] = append(found[result], fmt.Sprintf("%s (%d)", tried[i], answer.Status))
	}
	list := func(entries []string) string { return a.line(strings.Join(entries, ", ")) }
	switch open, doubtful := found[Fail], found[Warn]; {
	case len(open) > 0:
		return fail("answered without the secret: "+list(open), "give the bot a site of its own, or one handle block and no other way to its port")
	case len(doubtful) > 0:
		return warn("answered without the secret, perhaps by the bot: "+list(doubtful),
			"answer other paths with 404, in a Caddyfile with `respond 404` after the handle blocks, or give the bot a site of its own")
	case len(silent) > 0:
		return warn(fmt.Sprintf("%d of %d other paths were not answered: %s", len(silent), len(tried), list(silent)), remedyFor(err, "answer other paths with 404"))
	}
	return pass(fmt.Sprintf("%d other spellings do not reach the bot", len(tried)-1))
}

// variants returns a path with its query in spellings that some servers take for the same path, or route to the same bot.
func variants(query string) (all []string) {
	path, rest, hasQuery := strings.Cut(query, "?")
	more := "?audit=1"
	if hasQuery {
		rest, more = "?"+rest, "&audit=1"
	}
	spellings := []string{
		"/" + path, path + "/", strings.TrimSuffix(path, "/"), strings.ToUpper(path),
		path + ".", path + ";x", path + "%2f", path + "%20", path + "/x", "/." + path, "/x/.." + path,
	}
	if last := strings.LastIndexByte(path, '/') + 1; last < len(path) {
		spellings = append(spellings, fmt.Sprintf("%s%%%02x%s", path[:last], path[last], path[last+1:]))
	}
	for _, spelling := range spellings {
		if variant := spelling + rest; spelling != "" && variant != query && !slices.Contains(all, variant) {
			all = append(all, variant)
		}
	}
	return append(all, query+more)
}

// judgePath judges by the answer whether an update without the secret reached the bot: Fail if it did, Warn if it may
// have. It compares the answer with those of the gate, of the bot if the right secret was sent, and of a path that does
// not exist: a site may have a page on every path.
func (a *audit) judgePath(answer, unknownPath *telegram.Answer) Result {
	switch bot := a.rightSecret; {
	case equal(answer, a.noSecret), 300 <= answer.Status && answer.Status < 400:
		return Pass
	case bot != nil && bot.Err == nil && equal(answer, bot) && (bot.Delivered() || !equal(bot, unknownPath)):
		return Fail
	case 400 <= answer.Status && answer.Status < 500:
		return Pass
	case unknownPath.Err == nil && !equal(answer, unknownPath):
		return Fail
	case bot != nil && bot.Delivered() && answer.Delivered() && !similar(answer, bot):
		return Pass
	}
	return Warn
}

// equal reports whether two answers probably come from the same program.
func equal(x, y *telegram.Answer) bool { return similar(x, y) && bytes.Equal(x.Body, y.Body) }

// similar reports whether they may come from the same program.
func similar(x, y *telegram.Answer) bool {
	return x.Status == y.Status && x.Header.Get("Content-Type") == y.Header.Get("Content-Type")
}

// send sends an update that has an id and nothing else, so that a bot ignores it. An empty secret is not sent.
func (a *audit) send(ctx context.Context, t telegram.Target, secret string) *telegram.Answer {
	request := t.Request(secret, fmt.Appendf(nil, `{"update_id":%d}`, telegram.SampleID()))
	if mark := a.Status.AuditMark; mark != "" {
		request = bytes.Replace(request, []byte("\r\n\r\n"), []byte("\r\n"+status.AuditHeader+": "+mark+"\r\n\r\n"), 1)
	}
	return a.exchange(ctx, t, request)
}

// exchange makes a request on a connection of its own.
func (a *audit) exchange(ctx context.Context, t telegram.Target, request []byte) *telegram.Answer {
	if len(request) == 0 {
		return &telegram.Answer{Err: fmt.Errorf("the url is too long: request line and headers have more than %d bytes, and Telegram sends no such request", telegram.MaxHead)}
	}
	conn, err := a.connect(ctx, a.addresses[0], t)
	if err != nil {
		return &telegram.Answer{Err: err}
	}
	defer conn.Close()
	return telegram.Exchange(conn, request, time.Now().Add(telegram.Timeout))
}
