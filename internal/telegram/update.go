package telegram

import (
	"encoding/json"
	"time"

	"github.com/tidwall/gjson"
)

// Update is what decides about the delivery of an update.
type Update struct {
	ID    int64
	Type  string    // the key beside update_id, "" for none
	Queue int64     // updates of one queue are delivered one after the other, those of 0 alone
	Date  time.Time // its own date, zero if Telegram does not go by it
}

// ParseUpdate finds out what decides about an update's delivery. What is not an
// update has no id and a queue of its own.
func ParseUpdate(body []byte) (u Update) {
	if !json.Valid(body) {
		return u
	}
	gjson.ParseBytes(body).ForEach(func(key, value gjson.Result) bool {
		if key.Str == "update_id" {
			u.ID = value.Int()
		} else if u.Type == "" {
			u.Type = key.Str
			u.Queue, u.Date = queueOf(u.Type, value), dateOf(u.Type, value)
		}
		return true
	})
	return u
}

// queueOf returns the queue of an update of a type. One that has no other is alone
// in its queue, so that it may overtake all others.
func queueOf(kind string, content gjson.Result) int64 {
	// The types share queues as Telegram numbers them.
	number := func(path string, types int64) int64 {
		id := content.Get(path).Int()
		if id == 0 {
			return 0
		}
		return id + types<<33
	}
	switch kind {
	case "message", "edited_message", "channel_post", "edited_channel_post":
		return number("chat.id", 0)
	case "poll":
		return content.Get("id").Int()
	case "poll_answer":
		return content.Get("poll_id").Int()
	case "inline_query":
		return number("from.id", 1)
	case "chosen_inline_result":
		return number("from.id", 2)
	case "callback_query":
		return number("from.id", 3)
	case "shipping_query", "pre_checkout_query":
		return number("from.id", 4)
	case "my_chat_member":
		return number("chat.id", 5)
	case "chat_member": // by the member, not by who changed it
		return number("old_chat_member.user.id", 6)
	case "chat_join_request":
		return number("from.id", 6)
	case "chat_boost", "removed_chat_boost":
		return number("chat.id", 7)
	case "message_reaction":
		return number("chat.id", 8)
	case "message_reaction_count":
		return number("chat.id", 9)
	case "business_connection":
		return number("user.id", 10)
	case "business_message", "edited_business_message", "deleted_business_messages":
		return number("chat.id", 11)
	case "guest_message":
		return number("chat.id", 12)
	case "purchased_paid_media":
		return number("from.id", 12)
	case "managed_bot":
		return number("user.id", 13)
	}
	return 0
}
