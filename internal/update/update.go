// Package update reads the id, the type, the chat and the user of a Telegram update, and
// provides them as the placeholders {http.telegram_webhook.*}.
//
//   - update.go: the update and its parser
//   - body.go: the body of a request, which contains the update
//   - placeholder.go: the placeholders
package update

import (
	"strconv"
	"strings"

	"github.com/tidwall/gjson"
)

// Update holds the fields of a Telegram update. An absent id is 0, which Telegram never
// uses.
type Update struct {
	ID int64 // update_id

	// Type is the key beside update_id that holds an object, such as "message". It may be
	// newer than this code, or any text of any length.
	Type string

	Chat, User int64 // the chat of the update, and the user who caused it
}

// chatPaths and userPaths are the paths below the type of an update at which Telegram
// puts the chat and the user. They work for all types, future ones too.
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

// maxBrackets limits the brackets that a body may open, and so the recursion of
// gjson.Valid, which has no limit of its own. An update has far fewer, including those in
// its texts.
const maxBrackets = 1 << 15

// Parse reads the body of an update. It returns the zero Update for a body that is not
// one JSON object. An id of another type counts as absent, since Telegram may change the
// type of a field; so does a number that is not a 64-bit integer.
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

// firstID returns the id at the first path that has one.
func firstID(object gjson.Result, paths []string) int64 {
	for _, path := range paths {
		if id := parseID(object.Get(path)); id != 0 {
			return id
		}
	}
	return 0
}

// parseID returns the value if it is a 64-bit integer, and 0 otherwise.
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
