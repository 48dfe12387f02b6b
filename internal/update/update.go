// Package update reads what a Telegram update says of itself: its id, its type,
// and the chat and user that it is about.
//
// It scans JSON with code of its own. For an update of 1 KB that is 3 % of a
// proxied request; encoding/json into a struct takes four times as long, 13 %,
// knows no new type of update, and takes "Chat" for "chat". gjson takes 1.5 times
// as long, being made to refuse what is not JSON, and would be a dependency that
// takes 1e3 for an id and the first of two equal keys. See bench/update.
package update

import (
	"bytes"
	"cmp"
	"strconv"
)

// Update is what an update says of itself.
type Update struct {
	// ID is the update_id.
	ID ID
	// Type is the one key beside update_id, such as "message": empty if there is
	// none, or more than one, which Telegram does not send. It can be a type newer
	// than this code, or any other text of any length.
	Type string
	// Chat is where it happened, and User who did it. Many types lack one of
	// them, and a poll both.
	Chat, User ID
}

// ID is an id that may be absent.
type ID struct {
	Int64 int64
	Valid bool // whether there is one
}

// String is the id in decimal, or empty if it is absent.
func (id ID) String() string {
	if !id.Valid {
		return ""
	}
	return strconv.FormatInt(id.Int64, 10)
}

// Parse reads the body of an update, to its end: it fails on whatever
// encoding/json would not take for JSON, wherever in the body that shows, and
// believes nothing of such a body. JSON that is no update, such as an array, says
// nothing of itself.
//
// Keys match by case and with their escapes decoded. Of equal keys the last
// counts, as in most languages that bots are written in. An id that is no whole
// number in digits, or does not fit into 64 bits, is absent.
func Parse(body []byte) (Update, error) {
	s := scanner{body: body}
	u := s.update()
	if err := s.end(); err != nil {
		return Update{}, err
	}
	return u, nil
}

func (s *scanner) update() Update {
	var u Update
	var name []byte
	several := false
	for key := range s.object() {
		if string(key) == "update_id" {
			u.ID = s.id()
			continue
		}
		several = several || name != nil && !bytes.Equal(name, key)
		name = key
		u.Chat, u.User = s.about()
	}
	if several {
		return Update{ID: u.ID}
	}
	u.Type = string(name)
	return u
}

// about reads the object under an update's type. One rule serves all types, the
// future ones too: it looks where Telegram keeps chat and user in any of them.
func (s *scanner) about() (chat, user ID) {
	var inChat, inUserChat, inMessage ID
	var inFrom, inUser, inBoost, inSource ID
	for key := range s.object() {
		switch string(key) {
		case "chat":
			inChat = s.id("id")
		case "user_chat_id": // business_connection
			inUserChat = s.id()
		case "message": // callback_query
			inMessage = s.id("chat", "id")
		case "from":
			inFrom = s.id("id")
		case "user":
			inUser = s.id("id")
		case "boost": // chat_boost
			inBoost = s.id("source", "user", "id")
		case "source": // removed_chat_boost
			inSource = s.id("user", "id")
		default:
			s.skip()
		}
	}
	return cmp.Or(inChat, inUserChat, inMessage), cmp.Or(inFrom, inUser, inBoost, inSource)
}

// id reads the next value and finds the id at path in it.
func (s *scanner) id(path ...string) (id ID) {
	if len(path) == 0 {
		return s.integer()
	}
	for key := range s.object() {
		if string(key) == path[0] {
			id = s.id(path[1:]...)
		} else {
			s.skip()
		}
	}
	return id
}

// integer reads the next value, an id if it is a whole number that fits.
func (s *scanner) integer() ID {
	value := s.skip()
	if len(value) > len("-9223372036854775808") {
		return ID{}
	}
	n, err := strconv.ParseInt(string(value), 10, 64)
	if err != nil {
		return ID{}
	}
	return ID{Int64: n, Valid: true}
}
