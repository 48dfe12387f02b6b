// Package placeholder lets the handlers behind the gate ask what an update is,
// with the placeholders {http.telegram_webhook.*}. An update that nobody asks
// about is passed on as it comes, unread.
//
//   - placeholder.go: the placeholders
//   - body.go: the update as a request's body, which can be asked
package placeholder

import (
	"net/http"
	"strings"

	"github.com/caddyserver/caddy/v2"
)

const prefix = "http.telegram_webhook."

// Webhook is what the placeholders say of the webhook itself.
type Webhook struct {
	Name  string
	BotID string // empty if it is not known
}

// Provide gives the request the placeholders, and a body that can be asked about
// the update. Of a body longer than longest it says nothing.
//
// The body is the one value that every copy of the request shares, so it does
// not matter which of them a handler holds when it asks.
func Provide(r *http.Request, webhook Webhook, longest int64) *Body {
	body := newBody(r.Body, r.ContentLength, longest)
	r.Body = body
	if repl, ok := r.Context().Value(caddy.ReplacerCtxKey).(*caddy.Replacer); ok {
		repl.Map(func(key string) (any, bool) {
			if name, ok := strings.CutPrefix(key, prefix); ok {
				return value(name, webhook, body)
			}
			return nil, false
		})
	}
	return body
}

// value is what a placeholder stands for: always text, empty for what the update
// does not say.
func value(name string, webhook Webhook, body *Body) (any, bool) {
	switch name {
	case "name":
		return webhook.Name, true
	case "bot_id":
		return webhook.BotID, true
	case "update_id":
		return body.Update().ID.String(), true
	case "update_type":
		return word(body.Update().Type), true
	case "chat_id":
		return body.Update().Chat.String(), true
	case "user_id":
		return body.Update().User.String(), true
	}
	return nil, false
}

// maxWord is twice the longest type that there is.
const maxWord = 64

// word is the type of an update, if it is one that Telegram could send. Whoever
// knows the secret can write anything there, and it goes into headers and logs.
func word(kind string) string {
	if len(kind) > maxWord || strings.Trim(kind, "abcdefghijklmnopqrstuvwxyz0123456789_") != "" {
		return ""
	}
	return kind
}
