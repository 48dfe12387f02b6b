package probe

import (
	"bytes"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"

	"github.com/caddy-telegram/telegramwebhook/internal/printable"
	"github.com/caddy-telegram/telegramwebhook/internal/wire"
)

// trace is what error pages of frameworks say of the inside of a program.
var trace = regexp.MustCompile(`(?i)traceback \(most recent|goroutine \d+ \[|\bpanic: |stack ?trace|unhandled exception|` +
	`\bat \S+ \(?\S+:\d+|\bFile "[^"]+", line \d+|\bin /\S+ on line \d+|\.(py|js|ts|go|php|rb|java|cs|rs):\d+|` +
	`(^|[\s"'(])(/[\w.-]+){2,}\.(py|go|rb|java|rs)\b|` +
	`\bDEBUG = True|\bDjango Version|\bexception (type|value|location):|werkzeug debugger|whitelabel error page|symfony exception`)

// digits are in a header that names a program with its version.
var digits = regexp.MustCompile(`\d`)

// checkRefusals looks for what a stranger learns: from the refusals, and whether
// any answer gives the secret away.
func (a *audit) checkRefusals() {
	const check = "refusals"
	if slices.ContainsFunc(a.answers, func(answer *wire.Answer) bool { return a.text.Holds(whole(answer)) }) {
		a.fail(check, "an answer holds the secret", "never write a secret into an answer")
		return
	}
	if printable.Without(a.guess).Holds(whole(a.wrong)) {
		a.fail(check, "the refusal repeats the secret that was sent", "never write a secret into an answer")
		return
	}
	for _, answer := range a.answers {
		if !answer.Delivered() && trace.Match(answer.Body) {
			a.fail(check, fmt.Sprintf("an error page (%d) shows the inside of the program", answer.Status), refuse+", and turn debug pages off")
			return
		}
	}
	refusals := slices.DeleteFunc([]*wire.Answer{a.none, a.wrong}, func(answer *wire.Answer) bool {
		return answer.Err != nil || answer.Delivered()
	})
	if len(refusals) == 0 {
		return // the checks before have said it
	}
	switch told := told(refusals); {
	case len(told) > 0:
		a.warn(check, a.show(strings.Join(told, "; ")), refuse+", the same for every reason, and with no header that names the software")
	default:
		a.pass(check, "empty, and the same for every reason")
	}
}

// told is what refusals say and need not.
func told(refusals []*wire.Answer) (told []string) {
	first, last := refusals[0], refusals[len(refusals)-1]
	if len(first.Body) > 0 {
		told = append(told, fmt.Sprintf("a body of %d bytes", len(first.Body)))
	}
	if first.Status != last.Status || !bytes.Equal(first.Body, last.Body) || shape(first) != shape(last) {
		told = append(told, "a missing secret is not refused like a wrong one")
	}
	for _, name := range []string{"Server", "X-Powered-By", "X-Aspnet-Version", "X-Runtime"} {
		if value := first.Header.Get(name); name == "X-Powered-By" && value != "" || digits.MatchString(value) {
			told = append(told, name+": "+value)
		}
	}
	return told
}

// whole is all of an answer in one text.
func whole(answer *wire.Answer) string {
	var b strings.Builder
	b.WriteString(answer.Reason)
	_ = answer.Header.Write(&b)
	b.Write(answer.Body)
	return b.String()
}

// passing are headers that differ from answer to answer, or that a gate or a
// server before the bot puts there.
var passing = []string{"Date", "Content-Length", "Connection", "Keep-Alive", "Alt-Svc", "Server", "Strict-Transport-Security"}

// shape is by which headers an answer is known: their names, and the type.
func shape(answer *wire.Answer) string {
	names := []string{answer.Header.Get("Content-Type")}
	for name := range answer.Header {
		if !slices.Contains(passing, http.CanonicalHeaderKey(name)) {
			names = append(names, name)
		}
	}
	slices.Sort(names[1:])
	return strings.Join(names, "\n")
}
