package registrar

import (
	"fmt"
	"strconv"

	"github.com/caddy-telegram/telegramwebhook/internal/botapi"
	"github.com/caddy-telegram/telegramwebhook/internal/secret"
)

// Account is a bot at a Bot API server. The same bot is another one in the test
// environment, and on a server of one's own.
type Account struct {
	token botapi.Token
	raw   string
	api   string
	test  bool
}

// NewAccount is the account of a configured bot token, with its placeholders
// replaced. The error never holds the token.
func NewAccount(token, api string, test bool) (*Account, error) {
	raw, err := secret.Replace(token)
	if err != nil {
		return nil, err
	}
	parsed, err := botapi.ParseToken(raw)
	if err != nil {
		return nil, secret.About(token, err)
	}
	return &Account{parsed, raw, api, test}, nil
}

// Reveal is the token itself, to key what only its holder may know.
func (a *Account) Reveal() string { return a.raw }

// ID is the bot's id, which is no secret.
func (a *Account) ID() string { return strconv.FormatInt(a.token.BotID(), 10) }

// Redact takes the token out of a text.
func (a *Account) Redact(text string) string { return a.token.Redact(text) }

// Key names the bot in storage, and in this process.
func (a *Account) Key() string { return Key(a.token.BotID(), a.test, a.api) }

// Local reports whether the Bot API server is one's own, with looser rules.
func (a *Account) Local() bool { return !botapi.IsTelegram(a.api) }

// Client is how its Bot API server is called.
func (a *Account) Client() *botapi.Client {
	return botapi.New(a.token, botapi.Options{API: a.api, Test: a.test})
}

// Pace is how fast new bots may come to the Bot API server; one's own has no limit.
func (a *Account) Pace() *Pace {
	if a.Local() {
		return nil
	}
	return telegramPace
}

// telegramPace is that of all bots of this process.
var telegramPace = NewPace()

// Format satisfies fmt.Formatter: the token is in no message.
func (a *Account) Format(f fmt.State, _ rune) { _, _ = fmt.Fprint(f, "bot ", a.ID()) }
