package botapi

import (
	"fmt"
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"
)

const (
	// maxText is how much is told of what somebody else says, in bytes.
	maxText = 400

	// minSecret is the shortest secret that is looked for. To replace one of a
	// few letters wherever they stand would spoil the text and give it away.
	minSecret = 8
)

// redactor takes secrets out of what the server and the network say. They are
// found whatever their case is, since servers and proxies change it.
//
// It is made for each call: package fmt prints the pattern of a regexp that is
// kept in a struct when it is given a verb that does not fit.
type redactor struct {
	whole *regexp.Regexp // the token, or its secret half alone
	cut   *regexp.Regexp // the token with any part of its secret half
	extra *regexp.Regexp // the webhook's secret token; nil if there is none to look for
}

func newRedactor(a *Account, secretToken string) redactor {
	id, half, _ := strings.Cut(a.Reveal(), ":")
	head := id + "(?::|%3a)"
	r := redactor{
		whole: regexp.MustCompile(fmt.Sprintf("(?i)(?:%s)?%s", head, half)),
		cut:   regexp.MustCompile(fmt.Sprintf("(?i)%s[a-z0-9_-]+", head)),
	}
	if len(secretToken) >= minSecret {
		r.extra = regexp.MustCompile("(?i)" + regexp.QuoteMeta(secretToken))
	}
	return r
}

// value returns s without the secrets, and otherwise as it is.
func (r redactor) value(s string) string {
	s = r.whole.ReplaceAllString(s, hidden)
	if r.extra != nil {
		s = r.extra.ReplaceAllString(s, hidden)
	}
	return s
}

// text returns s fit for an error or a log: without the secrets, on one line,
// and not too long. It is cut last, so that no part of a secret is left over.
func (r redactor) text(s string) string {
	s = r.cut.ReplaceAllString(r.value(s), hidden)
	s = strings.Map(func(c rune) rune {
		if !unicode.IsPrint(c) {
			return ' '
		}
		return c
	}, s)
	s = strings.Join(strings.Fields(s), " ")
	if len(s) <= maxText {
		return s
	}
	end := maxText
	for !utf8.RuneStart(s[end]) {
		end--
	}
	return s[:end] + "…"
}
