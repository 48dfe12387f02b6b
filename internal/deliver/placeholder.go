package deliver

import (
	"bytes"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"

	"github.com/caddyserver/caddy/v2"

	"github.com/caddy-telegram/telegramwebhook/internal/telegram"
)

const prefix = "http.telegram_webhook."

// ReadUpdate reads the body of a request ahead, sets the placeholders of the request, and returns a function that
// returns the update, or nil if the body is longer than longest. The update is parsed only once, at the first use of
// that function or of a placeholder that needs it.
func ReadUpdate(r *http.Request, name, botID string, longest int64) func() telegram.Update {
	update := read(r, longest)
	if update != nil {
		provide(r, name, botID, update)
	}
	return update
}

// ClearPlaceholders sets empty placeholders for a refused request. Without them, headers that
// use the placeholders would contain their names.
func ClearPlaceholders(r *http.Request) {
	provide(r, "", "", func() telegram.Update { return telegram.Update{} })
}

func provide(r *http.Request, name, botID string, update func() telegram.Update) {
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

// read reads the body of a request ahead and returns the function that parses it, or nil
// if the body is longer than longest. The next handlers get the same bytes. A body that
// broke off ends with the same error for them, and counts as no update.
//
// The body is read ahead because placeholders can be used at any time: log_append uses
// them after the bot has read the body and answered.
func read(r *http.Request, longest int64) func() telegram.Update {
	buf := buffers.Get().(*bytes.Buffer)
	defer buffers.Put(buf)
	buf.Reset()
	n, err := buf.ReadFrom(io.LimitReader(r.Body, longest+1))
	if n > longest {
		return nil
	}
	content := buf.String()
	if err != nil {
		r.Body = io.NopCloser(io.MultiReader(strings.NewReader(content), failed{err}))
		return func() telegram.Update { return telegram.Update{} }
	}
	r.Body = io.NopCloser(strings.NewReader(content)) // net/http closes the original
	return sync.OnceValue(func() telegram.Update { return telegram.ParseUpdate(content) })
}

// buffers reuses buffers, so that not every body has to grow its own.
var buffers = sync.Pool{New: func() any { return new(bytes.Buffer) }}

// failed is a reader that always returns err.
type failed struct{ err error }

func (f failed) Read([]byte) (int, error) { return 0, f.err }

// IsJSON reports whether there is exactly one Content-Type and it is application/json, with any parameters.
func IsJSON(contentType []string) bool {
	if len(contentType) != 1 {
		return false
	}
	mediaType, _, _ := strings.Cut(contentType[0], ";")
	return strings.EqualFold(strings.TrimSpace(mediaType), "application/json")
}
