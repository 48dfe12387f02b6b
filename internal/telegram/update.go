package telegram

import (
	"bytes"
	"encoding/json"
	"strconv"
	"time"
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
	dec := json.NewDecoder(bytes.NewReader(body))
	if t, err := dec.Token(); err != nil || t != json.Delim('{') {
		return u
	}
	var raw json.RawMessage
	for dec.More() {
		key, err := dec.Token()
		if err != nil {
			return u
		}
		var value json.RawMessage
		if dec.Decode(&value) != nil {
			return u
		}
		if key == "update_id" {
			u.ID, _ = strconv.ParseInt(string(value), 10, 64)
		} else if u.Type == "" {
			u.Type, raw = key.(string), value
		}
	}
	var c content
	if json.Unmarshal(raw, &c) == nil {
		u.Queue, u.Date = c.queue(u.Type), c.date(u.Type)
	}
	return u
}

// content holds the places in which the types of update keep what decides about
// their queue and age.
type content struct {
	ID            any    // a poll's is a string
	PollID        string `json:"poll_id"`
	Chat          identity
	From          identity
	User          identity
	OldChatMember struct{ User identity } `json:"old_chat_member"`
	Date          int64
	EditDate      int64 `json:"edit_date"`
	RemoveDate    int64 `json:"remove_date"`
	Boost         struct {
		AddDate int64 `json:"add_date"`
	}
}

type identity struct{ ID int64 }

// queue returns the queue of an update of a type. One that has no other is alone
// in its queue, so that it may overtake all others.
func (c *content) queue(kind string) int64 {
	// The types share queues as Telegram numbers them.
	number := func(id, types int64) int64 {
		if id == 0 {
			return 0
		}
		return id + types<<33
	}
	switch kind {
	case "message", "edited_message", "channel_post", "edited_channel_post":
		return c.Chat.ID
	case "poll":
		id, _ := c.ID.(string)
		return pollQueue(id)
	case "poll_answer":
		return pollQueue(c.PollID)
	case "inline_query":
		return number(c.From.ID, 1)
	case "chosen_inline_result":
		return number(c.From.ID, 2)
	case "callback_query":
		return number(c.From.ID, 3)
	case "shipping_query", "pre_checkout_query":
		return number(c.From.ID, 4)
	case "my_chat_member":
		return number(c.Chat.ID, 5)
	case "chat_member": // by the member, not by who changed it
		return number(c.OldChatMember.User.ID, 6)
	case "chat_join_request":
		return number(c.From.ID, 6)
	case "chat_boost", "removed_chat_boost":
		return number(c.Chat.ID, 7)
	case "message_reaction":
		return number(c.Chat.ID, 8)
	case "message_reaction_count":
		return number(c.Chat.ID, 9)
	case "business_connection":
		return number(c.User.ID, 10)
	case "business_message", "edited_business_message", "deleted_business_messages":
		return number(c.Chat.ID, 11)
	case "guest_message":
		return number(c.Chat.ID, 12)
	case "purchased_paid_media":
		return number(c.From.ID, 12)
	case "managed_bot":
		return number(c.User.ID, 13)
	}
	return 0
}

func pollQueue(id string) int64 {
	n, _ := strconv.ParseInt(id, 10, 64)
	return n
}
