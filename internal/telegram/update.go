package telegram

import (
	"bytes"
	"cmp"
	_ "embed"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"time"

	"github.com/tidwall/gjson"
)

// updateType holds the delivery rules for a type of update. Its paths begin at
// the type's own object; an edit_date there comes before the date.
type updateType struct {
	queue  string        // the id that its updates are delivered in order for; "" for none
	queues int64         // the number of these queues, which types can share
	date   string        // the date from which its age counts; "" for its arrival
	expiry time.Duration // how long Telegram tries to deliver it; 0 for a day
}

// updateTypes are the types that were known when this was written. New ones come several times a year.
var updateTypes = map[string]updateType{
	"message":                    {"chat.id", 0, "date", 0},
	"edited_message":             {"chat.id", 0, "date", 0},
	"channel_post":               {"chat.id", 0, "date", 0},
	"edited_channel_post":        {"chat.id", 0, "date", 0},
	"poll":                       {"id", 0, "", 0},
	"poll_answer":                {"poll_id", 0, "", 0},
	"inline_query":               {"from.id", 1, "", 30 * time.Second},
	"chosen_inline_result":       {"from.id", 2, "", 10 * time.Minute},
	"callback_query":             {"from.id", 3, "", 150 * time.Second},
	"shipping_query":             {"from.id", 4, "", 150 * time.Second},
	"pre_checkout_query":         {"from.id", 4, "", 150 * time.Second},
	"my_chat_member":             {"chat.id", 5, "date", 0},
	"chat_member":                {"old_chat_member.user.id", 6, "date", 0}, // not who changed it
	"chat_join_request":          {"from.id", 6, "date", 0},
	"chat_boost":                 {"chat.id", 7, "boost.add_date", 0},
	"removed_chat_boost":         {"chat.id", 7, "remove_date", 0},
	"message_reaction":           {"chat.id", 8, "date", 0},
	"message_reaction_count":     {"chat.id", 9, "date", 0},
	"business_connection":        {"user.id", 10, "", 0},
	"business_message":           {"chat.id", 11, "date", 0},
	"edited_business_message":    {"chat.id", 11, "date", 0},
	"deleted_business_messages":  {"chat.id", 11, "", 0},
	"guest_message":              {"chat.id", 12, "date", 0},
	"purchased_paid_media":       {"from.id", 12, "", 0},
	"managed_bot":                {"user.id", 13, "", 0},
	"subscription":               {},
	"stopped_message_generation": {},
}

// IsKnownType reports whether a type of update was known when this was written.
func IsKnownType(name string) bool {
	_, known := updateTypes[name]
	return known
}

// Expiry returns how long Telegram tries to deliver an update of a type.
func Expiry(name string) time.Duration { return cmp.Or(updateTypes[name].expiry, 24*time.Hour) }

// Update holds the parts of an update that decide about its delivery, and its placeholders. An
// absent id is 0, which Telegram never uses.
type Update struct {
	ID int64 // update_id

	// Type is the key beside update_id that holds an object, such as "message". It may be
	// newer than this code, or any text of any length.
	Type string

	Chat, User int64     // the chat of the update, and the user who caused it
	Queue      int64     // updates of one queue are delivered one after the other, those of 0 alone
	Date       time.Time // its own date, zero if Telegram does not go by it
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

// maxBrackets limits the recursion of gjson.Valid, which has no limit of its own. json.Valid has one, but is slower.
const maxBrackets = 1 << 15

func isValid(body string) bool {
	if strings.Count(body, "{")+strings.Count(body, "[") > maxBrackets { // more than usual, but a text may be full of them
		return json.Valid([]byte(body))
	}
	return gjson.Valid(body)
}

// ParseUpdate parses the body of an update. It returns the zero Update for a body that is not
// one JSON object. An id of another type counts as absent, since Telegram may change the
// type of a field; so does a number that is not a 64-bit integer.
func ParseUpdate(body string) (u Update) {
	if !isValid(body) {
		return u
	}
	root := gjson.Parse(body)
	if !root.IsObject() {
		return u
	}
	var content gjson.Result
	root.ForEach(func(key, value gjson.Result) bool {
		if key.Str == "update_id" {
			u.ID = parseID(value)
		} else if value.IsObject() {
			u.Type, content = key.Str, value
		}
		return true
	})
	u.Chat, u.User = firstID(content, chatPaths), firstID(content, userPaths)
	t := updateTypes[u.Type]
	if id := content.Get(t.queue).Int(); id != 0 {
		u.Queue = id + t.queues<<33
	}
	if date := cmp.Or(content.Get("edit_date").Int(), content.Get(t.date).Int()); date != 0 {
		u.Date = time.Unix(date, 0)
	}
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

// Since returns the time from which the age of an update counts that arrived at that time. A
// date in the future comes from another clock.
func (u Update) Since(arrival time.Time) time.Time {
	if !u.Date.IsZero() && u.Date.Before(arrival) {
		return u.Date
	}
	return arrival
}

//go:embed message.json
var message []byte

// SampleMessage returns an update with a message from a person who does not exist, byte for byte as Telegram sends it.
func SampleMessage(id int64) []byte {
	_, rest, _ := bytes.Cut(bytes.TrimSpace(message), []byte(","))
	return fmt.Appendf(nil, `{"update_id":%d,%s`, id, rest)
}

// SampleID returns a random update_id for an update that is made up. It is lower than
// Telegram's, so that a bot that remembers the highest does not drop later updates.
func SampleID() int64 { return 1 + rand.Int64N(1_000_000) }
