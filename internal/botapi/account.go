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

	"github.com/caddy-telegram/telegramwebhook/internal/secret"
)

// hidden stands where a secret was.
const hidden = "[hidden]"

// Account is a bot at a Bot API server. The same bot is another one in the test
// environment, and on a server of one's own.
type Account struct {
	// A handle, since package fmt shows unexported fields without asking their
	// methods; of a handle it shows an address.
	token  unique.Handle[string]
	server *url.URL
	test   bool
	suffix string // of the key
}

// NewAccount returns the account of a configured bot token, whose placeholders are
// replaced, at the Bot API server of that URL; empty is Telegram's. Errors never hold
// the token, or the URL, which may have a password in it.
func NewAccount(token, api string, test bool) (*Account, error) {
	value, err := secret.Resolve(token, checkToken)
	if err != nil {
		return nil, fmt.Errorf("bot_token: %w", err)
	}
	server, err := parseServer(api)
	if err != nil {
		return nil, fmt.Errorf("api: %w", err)
	}
	a := &Account{token: unique.Make(value), server: server, test: test}
	if test {
		a.suffix = "-test"
	}
	if a.Local() {
		sum := sha256.Sum256([]byte(api))
		a.suffix += "-" + hex.EncodeToString(sum[:4])
	}
	return a, nil
}

// checkToken reports why a value is not a bot token, so that Telegram is not asked
// about something else. Its errors never hold the value or a part of it.
func checkToken(s string) error {
	switch {
	case s == "":
		return errors.New("is empty")
	case strings.TrimSpace(s) != s:
		return errors.New("has white space around it")
	case len(s) > maxToken:
		return fmt.Errorf("has %d characters; a bot token has at most %d", len(s), maxToken)
	case strings.HasPrefix(s, "bot"):
		return errors.New(`begins with "bot"; leave that out`)
	case !tokenForm.MatchString(s):
		return errors.New("is not a bot token; it must be what @BotFather gave: digits, a colon, and at least 30 of A-Z a-z 0-9 _ -")
	}
	digits, _, _ := strings.Cut(s, ":")
	if id, err := strconv.ParseInt(digits, 10, 64); err != nil || id >= maxBotID {
		return errors.New("is not a bot token; the number before the colon is too large")
	}
	return nil
}

func parseServer(api string) (*url.URL, error) {
	if api == "" {
		api = DefaultAPI
	}
	u, err := url.Parse(api)
	if err != nil || u.Hostname() == "" || u.Scheme != "https" && u.Scheme != "http" {
		return nil, errors.New("is not the URL of a Bot API server; it must look like " + DefaultAPI)
	}
	if u.RawQuery != "" || u.ForceQuery || u.Fragment != "" {
		return nil, errors.New("has a query or a fragment; a Bot API server's URL ends before them")
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

// ID returns the bot's id, which is no secret.
func (a *Account) ID() string {
	id, _, _ := strings.Cut(a.Reveal(), ":")
	return id
}

// Reveal returns the token itself, to key what only its holder may know.
func (a *Account) Reveal() string { return a.token.Value() }

// Local reports whether the Bot API server is one's own, with looser rules.
func (a *Account) Local() bool { return hostname(a.server) != "api.telegram.org" }

// Key names the bot in storage, and in this process. A hash stands for a server of
// one's own, whose URL may have a password in it.
func (a *Account) Key() string { return "telegram_webhook/" + a.ID() + a.suffix }

// Redact returns a text without the token, and without its secret half alone.
func (a *Account) Redact(s string) string { return newRedactor(a, "").value(s) }

// Format satisfies fmt.Formatter: the token is in no message.
func (a *Account) Format(f fmt.State, _ rune) { _, _ = fmt.Fprintf(f, "%s:%s", a.ID(), hidden) }

// anyToken finds what has the form of a bot token, in a path or its escaped form.
var anyToken = regexp.MustCompile(`(?i)[0-9]{6,}(?::|%3a)[a-z0-9_-]{30,}`)

// HideTokens returns s without anything that has the form of a bot token.
func HideTokens(s string) string { return anyToken.ReplaceAllString(s, hidden) }
