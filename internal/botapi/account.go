package botapi

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"unique"

	"github.com/caddy-telegram/telegramwebhook/internal/boundedlog"
	"github.com/caddy-telegram/telegramwebhook/internal/telegram"
)

// Account is a bot at a Bot API server. Telegram's test environment and each local server have accounts of their own.
type Account struct {
	token  unique.Handle[string] // package fmt prints unexported fields, but of a handle only an address
	server *url.URL
	test   bool
	suffix string // of the key
}

// NewAccount returns the account of a bot token at the Bot API server with the URL api; empty is Telegram's. The error
// never holds the token, or the URL, which may have a password in it.
func NewAccount(token, api string, test bool) (*Account, error) {
	if err := CheckToken(token); err != nil {
		return nil, fmt.Errorf("bot_token: %w", err)
	}
	server, err := parseServer(api)
	if err != nil {
		return nil, fmt.Errorf("api: %w", err)
	}
	a := &Account{token: unique.Make(token), server: server, test: test}
	if test {
		a.suffix = "-test"
	}
	if a.Local() {
		sum := sha256.Sum256([]byte(api))
		a.suffix += "-" + hex.EncodeToString(sum[:4])
	}
	return a, nil
}

// CheckToken reports why a value is not a bot token. The error never holds the value or a part of it.
func CheckToken(s string) error {
	digits, _, _ := strings.Cut(s, ":")
	id, err := strconv.ParseInt(digits, 10, 64)
	switch {
	case s == "":
		return errors.New("is empty")
	case strings.HasPrefix(s, "bot"):
		return errors.New(`begins with "bot"; leave that out`)
	case err != nil, id > telegram.MaxBotID, len(s) > telegram.MaxToken, !telegram.Token.MatchString(s):
		return errors.New("is not a bot token; it must be what @BotFather gave: digits, a colon, and at least 30 of A-Z a-z 0-9 _ -")
	}
	return nil
}

// CheckServer reports why a value is not the URL of a Bot API server; empty is Telegram's.
func CheckServer(api string) error {
	_, err := parseServer(api)
	return err
}

func parseServer(api string) (*url.URL, error) {
	if api == "" {
		api = telegram.DefaultAPI
	}
	u, err := url.Parse(api)
	if err != nil || u.Hostname() == "" || u.Scheme != "https" && u.Scheme != "http" || u.RawQuery != "" || u.ForceQuery || u.Fragment != "" {
		return nil, errors.New("is not the URL of a Bot API server; it must look like " + telegram.DefaultAPI)
	}
	if u.Scheme == "http" && strings.HasSuffix("."+hostname(u), ".telegram.org") {
		return nil, errors.New("would send the bot token in clear; use https:// (http:// is for a local Bot API server)")
	}
	if u.Path == "" {
		u.Path = "/" // else JoinPath makes a path without one
	}
	return u, nil
}

func hostname(u *url.URL) string { return strings.ToLower(strings.TrimSuffix(u.Hostname(), ".")) }

// ID returns the bot's id. It is no secret.
func (a *Account) ID() string {
	id, _, _ := strings.Cut(a.Reveal(), ":")
	return id
}

// Reveal returns the token itself.
func (a *Account) Reveal() string { return a.token.Value() }

// Local reports whether the Bot API server is not Telegram's.
func (a *Account) Local() bool { return hostname(a.server) != "api.telegram.org" }

// KeyPrefix begins the keys of all bots.
const KeyPrefix = "telegram_webhook/"

// Key names the bot in storage and in this process. It holds a hash of a local
// server's URL, which may have a password in it.
func (a *Account) Key() string { return KeyPrefix + a.ID() + a.suffix }

// Redact returns s without the token and its secret half.
func (a *Account) Redact(s string) string { return newRedactor(a, "").value(s) }

const (
	hidden = "[hidden]" // in place of a secret

	// maxText bounds what is quoted of a stranger, in characters.
	maxText = 400

	// minSecret is the shortest secret that is hidden, and how much of a token's secret half must be there. A few
	// letters stand in any text; to hide them would spoil the text and give them away.
	minSecret = 8
)

// redactor hides secrets in what the server and the network say. It ignores case, which servers and proxies change.
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

// text returns s fit for an error or a log: without the secrets, on one line, and not too long.
func (r redactor) text(s string) string { return boundedlog.Printable{}.Line(r.value(s), maxText) }
