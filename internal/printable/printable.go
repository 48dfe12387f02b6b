// Package printable writes texts from elsewhere and lengths of time for a terminal.
package printable

import (
	"regexp"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Text hides one secret, in whatever case, since servers and proxies change it.
type Text struct {
	secret *regexp.Regexp // nil if there is none
}

// Without returns a Text that hides a secret; an empty one is none.
func Without(secret string) Text {
	if secret == "" {
		return Text{}
	}
	return Text{regexp.MustCompile("(?i)" + regexp.QuoteMeta(secret))}
}

// Line returns s without the secret, on one line of at most limit characters,
// with what could move a terminal's cursor written out.
func (t Text) Line(s string, limit int) string { return t.show(s, limit, "") }

// Block is Line for a text of many lines.
func (t Text) Block(s string, limit int) string { return t.show(s, limit, "\n\t") }

// show cuts last, so that no part of the secret is left over.
func (t Text) show(s string, limit int, keep string) string {
	if t.secret != nil {
		s = t.secret.ReplaceAllString(s, "[secret]")
	}
	var b strings.Builder
	n := 0
	for i, r := range s {
		if n++; n > limit {
			return b.String() + "…"
		}
		_, size := utf8.DecodeRuneInString(s[i:])
		switch {
		case r == utf8.RuneError && size == 1:
			b.WriteString(`\x` + strconv.FormatUint(uint64(s[i]), 16))
		case unicode.IsPrint(r), strings.ContainsRune(keep, r):
			b.WriteRune(r)
		default:
			quoted := strconv.QuoteRune(r)
			b.WriteString(quoted[1 : len(quoted)-1])
		}
	}
	return b.String()
}
