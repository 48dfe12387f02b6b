package audit

import (
	"bytes"
	"context"
	"crypto/rand"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/caddy-telegram/telegramwebhook/internal/telegram"
)

// checkPaths sends updates without a secret to other spellings of the path, and to a path
// that does not exist. Some of them reach the bot where the gate guards one path beside an
// unguarded way to the same bot.
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
	a.unknownPath = answers[0]
	tried[0] = "any path"

	var open, doubtful, silent []string
	var err error // of a silent one
	for i, answer := range answers {
		if answer.Err != nil {
			silent, err = append(silent, tried[i]), answer.Err
			continue
		}
		entry := fmt.Sprintf("%s (%d)", tried[i], answer.Status)
		if certainly, perhaps := a.reachesBot(answer); certainly {
			open = append(open, entry)
		} else if perhaps {
			doubtful = append(doubtful, entry)
		}
	}
	list := func(entries []string) string { return a.line(strings.Join(entries, ", ")) }
	switch {
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

// variants returns a path with its query in spellings that some servers take for
// the same path, or route to the same bot.
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

// reachesBot judges by the answer whether an update without the secret reached the bot. It
// compares the answer with those of the gate, of the bot if the right secret was sent, and of
// a path that does not exist: a site may have a page on every path.
func (a *audit) reachesBot(answer *telegram.Answer) (certainly, perhaps bool) {
	switch bot := a.rightSecret; {
	case equal(answer, a.noSecret), 300 <= answer.Status && answer.Status < 400:
		return false, false
	case bot != nil && bot.Err == nil && equal(answer, bot) && (bot.Delivered() || !equal(bot, a.unknownPath)):
		return true, true
	case 400 <= answer.Status && answer.Status < 500:
		return false, false
	case a.unknownPath.Err == nil && !equal(answer, a.unknownPath):
		return true, true
	case bot != nil && bot.Delivered() && answer.Delivered() && !similar(answer, bot):
		return false, false
	}
	return false, true
}

// equal reports whether two answers probably come from the same program.
func equal(x, y *telegram.Answer) bool { return similar(x, y) && bytes.Equal(x.Body, y.Body) }

// similar reports whether they may come from the same program.
func similar(x, y *telegram.Answer) bool {
	return x.Status == y.Status && x.Header.Get("Content-Type") == y.Header.Get("Content-Type")
}
