package probe

import (
	"context"
	"crypto/rand"
	"fmt"
	"strings"
	"time"

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
	tried := variants(a.target)
	answers := a.askAll(ctx, append([]wire.Target{nowhere}, tried...))
	a.elsewhere = answers[0]

	found := make(map[destination][]string)
	var silent error // why one is not answered
	for i, answer := range answers {
		name := "any path"
		if i > 0 {
			name = tried[i-1].Query
		}
		leads := a.leads(answer)
		if leads == unanswered {
			silent = answer.Err
		} else {
			name = fmt.Sprintf("%s (%d)", name, answer.Status)
		}
		found[leads] = append(found[leads], name)
	}

	var seen, remedies []string
	doubt := func(s, remedy string) { seen, remedies = append(seen, s), append(remedies, remedy) }
	if unclear := found[nobodyKnows]; len(unclear) > 0 {
		doubt("perhaps the bot's answer, without the secret: "+a.some(unclear), a.settle())
	}
	if empty := found[emptiness]; len(empty) > 0 {
		doubt("an empty answer, as if it were delivered, without the secret: "+a.some(empty),
			"answer 404 where there is nothing, in a Caddyfile with `respond 404` after the handle blocks")
	}
	if n := len(found[unanswered]); n > 0 {
		doubt(fmt.Sprintf("%d of %d other paths were not answered, so nothing is known of them: %s", n, len(answers), a.some(found[unanswered])),
			a.whatToDo(silent, "see that they do not lead to a bot that is slow or breaks off, and answer them with 404"))
	}
	switch open := found[toTheBot]; {
	case len(open) > 0:
		a.fail(check, "answered without the secret: "+a.some(open),
			"give the bot a site of its own, or one handle block and no other way to its port")
	case len(seen) > 0:
		a.warn(check, strings.Join(seen, "; "), strings.Join(remedies, "; "))
	default:
		a.pass(check, fmt.Sprintf("%d other spellings do not lead to the bot", len(tried)))
	}
}

// askAll asks without the secret. A refusal needs no more than the usual
// patience, but a bot may be slow: together they have as much more as a single
// update has, so that a slow bot is heard and a dead end does not take forever.
func (a *audit) askAll(ctx context.Context, targets []wire.Target) (answers []*wire.Answer) {
	more := wire.Timeout - patience
	for _, t := range targets {
		asked := time.Now()
		answers = append(answers, a.askWithin(ctx, patience+more, t, t.Request("", update())))
		more -= min(more, max(0, time.Since(asked)-patience))
	}
	return answers
}

// settle is what to do about an answer that may be the bot's.
func (a *audit) settle() string {
	const remedy = "see that only the url leads to the bot"
	if a.opt.kept() {
		return remedy + ", and answer other paths with 404; a site of its own is surest"
	}
	return remedy + "; the audit knows the bot by its answer to the right secret"
}

// some is the begin of a list.
func (a *audit) some(entries []string) string {
	const most = 4
	if more := len(entries) - most; more > 0 {
		return fmt.Sprintf("%s and %d more", a.show(strings.Join(entries[:most], ", ")), more)
	}
	return a.show(strings.Join(entries, ", "))
}
