package probe

import (
	"bytes"
	"context"
	"crypto/rand"
	"fmt"
	"strings"

	"github.com/caddy-telegram/telegramwebhook/internal/wire"
)

// spellings are other ways to write a path that some servers take for the same,
// or for one that leads to the same bot.
func spellings(path string) []string {
	last := strings.LastIndexByte(path, '/') + 1
	all := []string{
		"/" + path, path + "/", strings.TrimSuffix(path, "/"), strings.ToUpper(path),
		path + ".", path + ";x", path + "%2f", path + "%20", path + "/x", "/." + path, "/x/.." + path,
	}
	if last < len(path) {
		all = append(all, path[:last]+fmt.Sprintf("%%%02x", path[last])+path[last+1:])
	}
	return all
}

// variants are the url with other spellings of its path, and with another query.
func variants(t wire.Target) []wire.Target {
	path, query, hasQuery := strings.Cut(t.Query, "?")
	if hasQuery {
		query = "?" + query
	}
	extra := t.Query + "?audit=1"
	if hasQuery {
		extra = t.Query + "&audit=1"
	}
	seen := map[string]bool{t.Query: true, query: true}
	var all []wire.Target
	for _, spelling := range spellings(path) {
		if q := spelling + query; !seen[q] {
			seen[q] = true
			v := t
			v.Query = q
			all = append(all, v)
		}
	}
	t.Query = extra
	return append(all, t)
}

// checkPaths looks for another way to the bot, past the check of the secret.
func (a *audit) checkPaths(ctx context.Context) {
	const check = "paths"
	if a.none.Err != nil || a.none.Delivered() {
		return // the url itself is open, or says nothing to compare with
	}
	nowhere := a.target
	nowhere.Query = "/" + rand.Text()
	a.elsewhere = a.ask(ctx, nowhere, nowhere.Request("", update()))

	var open, unclear []string
	note := func(name string, answer *wire.Answer) {
		entry := fmt.Sprintf("%s (%d)", name, answer.Status)
		switch a.leads(answer) {
		case toTheBot:
			open = append(open, entry)
		case nobodyKnows:
			unclear = append(unclear, entry)
		}
	}
	note("any path", a.elsewhere)
	tried := variants(a.target)
	for _, v := range tried {
		note(v.Query, a.ask(ctx, v, v.Request("", update())))
	}
	switch {
	case len(open) > 0:
		a.fail(check, "answered without the secret: "+a.some(open),
			"give the bot a site of its own, or one handle block and no other way to its port")
	case len(unclear) > 0:
		a.warn(check, "perhaps the bot's answer, without the secret: "+a.some(unclear),
			"see that only the url leads to the bot; the audit knows the bot by its answer to the right secret")
	default:
		a.pass(check, fmt.Sprintf("%d other spellings do not lead to the bot", len(tried)))
	}
}

// some is the begin of a list.
func (a *audit) some(entries []string) string {
	const most = 4
	if more := len(entries) - most; more > 0 {
		return fmt.Sprintf("%s and %d more", a.show(strings.Join(entries[:most], ", ")), more)
	}
	return a.show(strings.Join(entries, ", "))
}

type destination int

const (
	nowhereNear destination = iota
	nobodyKnows
	toTheBot
)

// leads says where a request without the secret got to. It is not at the bot if
// it was refused or redirected. Otherwise the answer is compared with the bot's,
// and with that of a path which nobody has set up: a site with a page on every
// path is none of the bot's business.
func (a *audit) leads(answer *wire.Answer) destination {
	switch {
	case answer.Err != nil, 300 <= answer.Status && answer.Status < 500, same(answer, a.none):
		return nowhereNear
	case a.delivers() && same(answer, a.right):
		return toTheBot
	case !same(answer, a.elsewhere):
		return toTheBot
	case a.delivers() && answer.Status < 500 && shape(answer) != shape(a.right):
		return nowhereNear
	}
	return nobodyKnows
}

// same reports whether two answers are probably from the same program.
func same(x, y *wire.Answer) bool {
	return x.Status == y.Status && bytes.Equal(x.Body, y.Body) && shape(x) == shape(y)
}
