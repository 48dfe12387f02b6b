// Package update reads what a Telegram update says of itself, and makes the
// placeholders {http.telegram_webhook.*} of it.
//
//   - update.go: the update: its id, its type, its chat and its user
//   - body.go: the body of a request, which an update is read from
//   - placeholder.go: the placeholders
package update

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"io"
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

// content is what the object under an update's type says of its chat and user.
// One struct serves all types, future ones too: it has every place in which
// Telegram keeps a chat or a user in any of them.
type content struct {
	Chat       object
	UserChatID int64                 `json:"user_chat_id"` // business_connection
	Message    struct{ Chat object } // callback_query

	From   object
	User   object
	Boost  struct{ Source source } // chat_boost
	Source source                  // removed_chat_boost
}

type object struct{ ID int64 }

type source struct{ User object }

// Parse reads the body of an update. It returns no update at all for a body that
// is not one JSON object. An id of the wrong kind is absent, since the type of a
// field may change; so is one that is no whole number of 64 bits.
func Parse(body []byte) Update {
	dec := json.NewDecoder(bytes.NewReader(body))
	if start, _ := dec.Token(); start != json.Delim('{') {
		return Update{}
	}
	var u Update
	for dec.More() {
		key, err := dec.Token()
		if err != nil {
			return Update{}
		}
		if key == "update_id" {
			u.ID = 0
			_, err = decode(dec, &u.ID)
		} else {
			var c *content
			var ok bool
			if ok, err = decode(dec, &c); ok && c != nil {
				u.Type = key.(string)
				u.Chat = cmp.Or(c.Chat.ID, c.UserChatID, c.Message.Chat.ID)
				u.User = cmp.Or(c.From.ID, c.User.ID, c.Boost.Source.User.ID, c.Source.User.ID)
			}
		}
		if err != nil {
			return Update{}
		}
	}
	if end, _ := dec.Token(); end != json.Delim('}') {
		return Update{}
	}
	if _, err := dec.Token(); err != io.EOF {
		return Update{}
	}
	return u
}

// decode decodes the next value into v, without the parts that do not fit. It
// reports whether the value as a whole fits, and fails only for what is not JSON.
func decode(dec *json.Decoder, v any) (ok bool, err error) {
	err = dec.Decode(v)
	if misfit, is := errors.AsType[*json.UnmarshalTypeError](err); is {
		return misfit.Field != "", nil
	}
	return err == nil, err
}
