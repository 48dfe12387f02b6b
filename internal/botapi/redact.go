package botapi

import (
	"regexp"
	"strings"

	"github.com/caddy-telegram/telegramwebhook/internal/boundedlog"
)

const (
	hidden = "[hidden]" // in place of a secret

	// maxText bounds what is quoted of a stranger, in characters.
	maxText = 400

	// minSecret is the shortest secret that is hidden, and how much of a token's secret
	// half must be there. A few letters stand in any text; to hide them would spoil the
	// text and give them away.
	minSecret = 8
)

// redactor hides secrets in what the server and the network say. It ignores case,
// which servers and proxies change.
//
// Each call makes a redactor of its own: if a struct kept the regexp, package fmt could
// print its pattern, given a verb that does not fit.
type redactor struct{ secrets *regexp.Regexp }

// newRedactor hides the token, also without the id or the end, and the webhook's secret.
func newRedactor(a *Account, secretToken string) redactor {
	id, half, _ := strings.Cut(a.Reveal(), ":")
	pattern := "(?i)(?:" + id + "(?::|%3a))?" + half[:minSecret] + "[a-z0-9_-]*"
	if len(secretToken) >= minSecret {
		pattern += "|" + regexp.QuoteMeta(secretToken)
	}
	return redactor{regexp.MustCompile(pattern)}
}

// value returns s without the secrets, and otherwise as it is.
func (r redactor) value(s string) string { return r.secrets.ReplaceAllString(s, hidden) }

// text returns s fit for an error or a log: without the secrets, on one line, and
// not too long.
func (r redactor) text(s string) string { return boundedlog.Printable{}.Line(r.value(s), maxText) }
