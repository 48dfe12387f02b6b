package boundedlog

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/dustin/go-humanize/english"
)

// Printable makes text from elsewhere safe for a terminal or a log. It hides one secret,
// in upper or lower case, since servers and proxies change the case.
type Printable struct {
	secret *regexp.Regexp // nil if there is none
}

// Without returns a Printable that hides the secret, or none if secret is empty.
func Without(secret string) Printable {
	if secret == "" {
		return Printable{}
	}
	return Printable{regexp.MustCompile("(?i)" + regexp.QuoteMeta(secret))}
}

var (
	unquoteLine  = strings.NewReplacer(`\\`, `\`, `\"`, `"`)
	unquoteBlock = strings.NewReplacer(`\\`, `\`, `\"`, `"`, `\n`, "\n", `\t`, "\t")
)

// Line returns s without the secret, on one line of at most limit characters, and escapes
// characters that could move a terminal's cursor.
func (p Printable) Line(s string, limit int) string { return p.show(s, limit, unquoteLine) }

// Block is like Line, for a text of many lines.
func (p Printable) Block(s string, limit int) string { return p.show(s, limit, unquoteBlock) }

// show hides the secret before it cuts the text, so that no part of the secret remains.
func (p Printable) show(s string, limit int, unquote *strings.Replacer) string {
	if p.secret != nil {
		s = p.secret.ReplaceAllString(s, "[secret]")
	}
	rest := ""
	for i := range s {
		if limit--; limit < 0 {
			s, rest = s[:i], "…"
			break
		}
	}
	quoted := strconv.Quote(s)
	return unquote.Replace(quoted[1:len(quoted)-1]) + rest
}

// Span formats a duration, rounded, in the largest unit of which it has two.
func Span(d time.Duration) string {
	switch day := 24 * time.Hour; {
	case d >= 2*day:
		return fmt.Sprintf("%d days", d.Round(day)/day)
	case d >= 2*time.Hour:
		return fmt.Sprintf("%.0f hours", d.Hours())
	case d >= 2*time.Minute:
		return fmt.Sprintf("%.0f minutes", d.Minutes())
	}
	return english.Plural(int(max(d, 0).Round(time.Second).Seconds()), "second", "")
}
