package boundedlog

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/dustin/go-humanize/english"
)

// Printable makes texts from elsewhere fit for a terminal or a log. It hides one secret, in
// whatever case, since servers and proxies change it.
type Printable struct {
	secret *regexp.Regexp // nil if there is none
}

// Without returns a Printable that hides a secret; an empty one is none.
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

// Line returns s without the secret, on one line of at most limit characters,
// with what could move a terminal's cursor written out.
func (p Printable) Line(s string, limit int) string { return p.show(s, limit, unquoteLine) }

// Block is Line for a text of many lines.
func (p Printable) Block(s string, limit int) string { return p.show(s, limit, unquoteBlock) }

// show hides the secret before it cuts, so that no part of it is left over.
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

// Span writes a length of time, rounded, in the largest unit of which it has two.
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
