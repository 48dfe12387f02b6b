package botapi

import (
	"errors"
	"fmt"
	"io"
	"regexp"
	"strconv"
	"strings"
	"unique"
)

const (
	// maxTokenLen is the longest token that the Bot API looks at.
	maxTokenLen = 80

	// maxBotID is the first id that is no bot's any more.
	maxBotID = 1 << 54

	// hidden stands where a secret was.
	hidden = "[hidden]"
)

var tokenForm = regexp.MustCompile(`^[1-9][0-9]*:[A-Za-z0-9_-]{30,}$`)

// Token is a bot token that cannot be printed by accident. Two tokens are equal
// if their values are.
type Token struct {
	// A handle, since package fmt shows the unexported fields of a struct around
	// a Token without asking the Token; of a handle it shows an address.
	handle unique.Handle[string]
}

// ParseToken checks that s has the form of a bot token, so that Telegram is not
// asked about something else. Its errors never hold s or a part of it.
func ParseToken(s string) (Token, error) {
	switch {
	case s == "":
		return Token{}, errors.New("is empty")
	case strings.TrimSpace(s) != s:
		return Token{}, errors.New("has white space around it")
	case len(s) > maxTokenLen:
		return Token{}, fmt.Errorf("has %d characters; a bot token has at most %d", len(s), maxTokenLen)
	case strings.HasPrefix(s, "bot"):
		return Token{}, errors.New(`begins with "bot"; leave that out`)
	case !tokenForm.MatchString(s):
		return Token{}, errors.New("is not a bot token; it must be what @BotFather gave: digits, a colon, and at least 30 of A-Z a-z 0-9 _ -")
	}
	t := Token{unique.Make(s)}
	if id := t.BotID(); id <= 0 || id >= maxBotID {
		return Token{}, errors.New("is not a bot token; the number before the colon is too large")
	}
	return t, nil
}

// BotID is the bot's id, which is no secret; 0 for the zero Token.
func (t Token) BotID() int64 {
	digits, _, _ := strings.Cut(t.value(), ":")
	// ParseToken has let nothing but digits through; too many of them give the largest number.
	id, _ := strconv.ParseInt(digits, 10, 64)
	return id
}

func (t Token) value() string {
	if t == (Token{}) {
		return ""
	}
	return t.handle.Value()
}

// String returns the bot's id and hides the rest.
func (t Token) String() string {
	return fmt.Sprintf("%d:%s", t.BotID(), hidden)
}

// GoString returns what String does.
func (t Token) GoString() string { return t.String() }

// Format writes what String returns, whatever the verb is.
func (t Token) Format(f fmt.State, _ rune) { io.WriteString(f, t.String()) }

// MarshalText returns what String does, for JSON as well.
func (t Token) MarshalText() ([]byte, error) { return []byte(t.String()), nil }

// Interface guards
var (
	_ fmt.Formatter  = Token{}
	_ fmt.GoStringer = Token{}
)

// Redact takes the token, and its secret half alone, out of a text.
func (t Token) Redact(s string) string { return newRedactor(t).value(s) }

// anyToken finds anything that has the form of a bot token, in a path or its
// escaped form.
var anyToken = regexp.MustCompile(`(?i)[0-9]{6,}(?::|%3a)[a-z0-9_-]{30,}`)

// HideTokens returns s without anything that has the form of a bot token.
func HideTokens(s string) string { return anyToken.ReplaceAllString(s, hidden) }
