package telegramtest

import (
	"bytes"
	"encoding/json"
	"strconv"
	"time"
)

// update is one that waits for its delivery.
type update struct {
	id       int64
	kind     string // the key beside update_id, "" for none
	queue    string // updates of one queue are delivered one after the other
	body     []byte
	queuedAt time.Time
	expiry   time.Duration

	// How it went so far. A registration anew starts over.
	tries int
	fails int
	delay time.Duration // the last pause of the schedule
	done  bool          // delivered or expired, about to be removed

	// skew is by how much the pauses were longer in the schedule than on the
	// clock, so that a test that shortens them still sees updates expire.
	skew time.Duration
}

// parseUpdate finds out what decides about an update's delivery. What is not an
// update is delivered too, in a queue of its own: tests send such things to see
// what the webhook says.
func parseUpdate(body []byte) *update {
	u := &update{body: body}
	dec := json.NewDecoder(bytes.NewReader(body))
	if t, err := dec.Token(); err != nil || t != json.Delim('{') {
		return u
	}
	var content json.RawMessage
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
			u.id, _ = strconv.ParseInt(string(value), 10, 64)
		} else if u.kind == "" {
			u.kind, content = key.(string), value
		}
	}
	u.queue = queueOf(content)
	return u
}

// who holds the places in which the types of update keep their chat and user.
type who struct {
	Chat, From, User identity
	UserChatID       int64 `json:"user_chat_id"`
	Boost            struct{ Source boostSource }
	Source           boostSource
}

type identity struct{ ID int64 }

type boostSource struct{ User identity }

// queueOf names the queue of an update: its chat, or its user for queries, which
// have no chat of their own. An update with neither, such as a poll, has a queue
// to itself; "" stands for that.
func queueOf(content []byte) string {
	var w who
	if json.Unmarshal(content, &w) != nil {
		return ""
	}
	if chat := firstNonZero(w.Chat.ID, w.UserChatID); chat != 0 {
		return "chat " + strconv.FormatInt(chat, 10)
	}
	if user := firstNonZero(w.From.ID, w.User.ID, w.Boost.Source.User.ID, w.Source.User.ID); user != 0 {
		return "user " + strconv.FormatInt(user, 10)
	}
	return ""
}

func firstNonZero(ids ...int64) int64 {
	for _, id := range ids {
		if id != 0 {
			return id
		}
	}
	return 0
}

// expiryOf is how long Telegram tries to deliver an update of a type.
func expiryOf(kind string) time.Duration {
	switch kind {
	case "inline_query":
		return 30 * time.Second
	case "callback_query", "shipping_query", "pre_checkout_query":
		return 150 * time.Second
	case "chosen_inline_result":
		return 10 * time.Minute
	}
	return 24 * time.Hour
}
