package botapi

import (
	"fmt"
	"regexp"
	"strings"
	"unicode"
)

const (
	hidden = "[hidden]" // in place of a secret

	// maxText bounds what is quoted of a stranger, in bytes.
	maxText = 400

	// minSecret is the shortest secret that is hidden. A secret of a few letters
	// stands in any text; to hide it would spoil the text and give it away.
	minSecret = 8
)

// redactor hides secrets in what the server and the network say. It ignores case,
// which servers and proxies change.
//
// It is made for each call: package fmt prints the pattern of a regexp that is
// kept in a struct when it is given a verb that does not fit.
type redactor struct {
	whole *regexp.Regexp // the token, its secret half alone, or the webhook's secret
	cut   *regexp.Regexp // the token with any part of its secret half
}

func newRedactor(a *Account, secretToken string) redactor {
	id, half, _ := strings.Cut(a.Reveal(), ":")
	head := id + "(?::|%3a)"
	whole := fmt.Sprintf("(?i)(?:%s)?%s", head, half)
	if len(secretToken) >= minSecret {
		whole += "|" + regexp.QuoteMeta(secretToken)
	}
	return redactor{regexp.MustCompile(whole), regexp.MustCompile(fmt.Sprintf("(?i)%s[a-z0-9_-]+", head))}
}

// value returns s without the secrets, and otherwise as it is.
func (r redactor) value(s string) string { return r.whole.ReplaceAllString(s, hidden) }

// text returns s fit for an error or a log: without the secrets, on one line, and
// not too long. It shortens last, so that no part of a secret is left over.
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
	return strings.ToValidUTF8(s[:maxText], "") + "…" // maxText may be within a character
}
