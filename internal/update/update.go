// Package update reads what a Telegram update says of itself, and makes the
// placeholders {http.telegram_webhook.*} of it.
//
//   - update.go: the update: its id, its type, its chat and its user
//   - body.go: the body of a request, which an update is read from
//   - placeholder.go: the placeholders
package update

import (
	"strconv"
	"strings"

	"github.com/tidwall/gjson"
)

// Update is what an update says of itself. An id is 0 if the update has none;
// Telegram uses no such id.
type Update struct {
	ID int64 // update_id

	// Type is the key beside update_id that holds an object, such as "message".
	// It can be newer than this code, or any text of any length.
	Type string

	Chat, User int64 // where it happened, and who did it
}

// chatPaths and userPaths are the places in which Telegram keeps the chat and the
// user of an update, below its type. They serve all types, future ones too.
var (
	chatPaths = []string{
		"chat.id",
		"user_chat_id",    // business_connection
		"message.chat.id", // callback_query
	}
	userPaths = []string{
		"from.id",
		"user.id",
		"boost.source.user.id", // chat_boost
		"source.user.id",       // removed_chat_boost
	}
)

// maxBrackets bounds how many brackets a body may open, and so how deep
// gjson.Valid recurses, which has no limit of its own. Texts included, an
// update has far fewer.
const maxBrackets = 1 << 15

// Parse reads the body of an update. It returns no update at all for a body that
// is not one JSON object. An id of the wrong kind is absent, since the type of a
// field may change; so is one that is no whole number of 64 bits.
func Parse(body string) (u Update) {
	if strings.Count(body, "{")+strings.Count(body, "[") > maxBrackets || !gjson.Valid(body) {
		return Update{}
	}
	root := gjson.Parse(body)
	if !root.IsObject() {
		return Update{}
	}
	root.ForEach(func(key, value gjson.Result) bool {
		switch {
		case key.Str == "update_id":
			u.ID = parseID(value)
		case value.IsObject():
			u.Type = key.Str
			u.Chat = firstID(value, chatPaths)
			u.User = firstID(value, userPaths)
		}
		return true
	})
	return u
}

// firstID returns the id at the first of the paths that has one.
func firstID(object gjson.Result, paths []string) int64 {
	for _, path := range paths {
		if id := parseID(object.Get(path)); id != 0 {
			return id
		}
	}
	return 0
}

// parseID returns a whole number, or 0 for anything else.
func parseID(value gjson.Result) int64 {
	if value.Type != gjson.Number {
		return 0
	}
	id, err := strconv.ParseInt(value.Raw, 10, 64)
	if err != nil {
		return 0
	}
	return id
}
