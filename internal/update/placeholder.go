package update

import (
	"net/http"
	"strconv"

	"github.com/caddyserver/caddy/v2"

	"github.com/caddy-telegram/telegramwebhook/internal/telegram"
)

const prefix = "http.telegram_webhook."

// Provide reads the body of a request ahead, sets the placeholders of the request, and
// returns a function that returns the update, or nil if the body is longer than longest.
// The update is parsed only once, at the first use of that function or of a placeholder
// that needs it.
func Provide(r *http.Request, name, botID string, longest int64) func() Update {
	update := read(r, longest)
	if update != nil {
		provide(r, name, botID, update)
	}
	return update
}

// ProvideEmpty sets empty placeholders for a refused request. Without them, headers that
// use the placeholders would contain their names.
func ProvideEmpty(r *http.Request) {
	provide(r, "", "", func() Update { return Update{} })
}

func provide(r *http.Request, name, botID string, update func() Update) {
	repl, ok := r.Context().Value(caddy.ReplacerCtxKey).(*caddy.Replacer)
	if !ok {
		return
	}
	repl.Map(func(key string) (any, bool) {
		switch key {
		case prefix + "name":
			return name, true
		case prefix + "bot_id":
			return botID, true
		case prefix + "update_id":
			return formatID(update().ID), true
		case prefix + "update_type":
			return cleanType(update().Type), true
		case prefix + "chat_id":
			return formatID(update().Chat), true
		case prefix + "user_id":
			return formatID(update().User), true
		}
		return nil, false
	})
}

// formatID returns an id in decimal, or an empty string for an absent id.
func formatID(id int64) string {
	if id == 0 {
		return ""
	}
	return strconv.FormatInt(id, 10)
}

// cleanType returns the type of an update if Telegram could have sent it. The sender can
// write any text there, and the type goes into headers and logs.
func cleanType(name string) string {
	if !telegram.IsUpdateType(name) {
		return ""
	}
	return name
}
