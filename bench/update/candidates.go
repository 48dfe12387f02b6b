package main

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"

	"github.com/buger/jsonparser"
	"github.com/tidwall/gjson"

	"github.com/caddy-telegram/telegramwebhook/internal/update"
)

const messagesOnly = "encoding/json, one struct, messages only"

// candidates are the ways to read an update, the first being the one in use. All
// but messageStruct read every type. None is as exact about equal keys and the
// form of ids, and only encoding/json and "gjson, validated" refuse what is not
// JSON.
var candidates = []struct {
	name  string
	parse func([]byte) (update.Update, error)
}{
	{"internal/update", update.Parse},
	{messagesOnly, messageStruct},
	{"encoding/json, map and struct", mapAndStruct},
	{"encoding/json, tokens", tokens},
	{"gjson", withGJSON},
	{"gjson, validated", validatedGJSON},
	{"jsonparser", withJSONParser},
}

type object struct{ ID *int64 }

type content struct {
	Chat, From, User object
	UserChatID       *int64 `json:"user_chat_id"`
	Message          struct{ Chat object }
	Boost            struct{ Source struct{ User object } }
	Source           struct{ User object }
}

// first returns the first id that is there.
func first(ids ...*int64) update.ID {
	if id := cmp.Or(ids...); id != nil {
		return update.ID{Int64: *id, Valid: true}
	}
	return update.ID{}
}

// messageStruct is what encoding/json can do at best: it knows one type of
// update, and no unknown one.
func messageStruct(body []byte) (update.Update, error) {
	var u struct {
		ID      *int64 `json:"update_id"`
		Message *struct{ Chat, From object }
	}
	if err := json.Unmarshal(body, &u); err != nil || u.Message == nil {
		return update.Update{}, errors.Join(err, errors.New("not a message"))
	}
	return update.Update{ID: first(u.ID), Type: "message", Chat: first(u.Message.Chat.ID), User: first(u.Message.From.ID)}, nil
}

func mapAndStruct(body []byte) (update.Update, error) {
	var u update.Update
	var keys map[string]json.RawMessage
	if err := json.Unmarshal(body, &keys); err != nil {
		return u, err
	}
	for key, value := range keys {
		if key == "update_id" {
			u.ID.Valid = json.Unmarshal(value, &u.ID.Int64) == nil
			continue
		}
		u.Type = key
		var c content
		json.Unmarshal(value, &c)
		u.Chat = first(c.Chat.ID, c.UserChatID, c.Message.Chat.ID)
		u.User = first(c.From.ID, c.User.ID, c.Boost.Source.User.ID, c.Source.User.ID)
	}
	return u, nil
}

func tokens(body []byte) (u update.Update, err error) {
	dec := json.NewDecoder(bytes.NewReader(body))
	dec.UseNumber()
	if _, err := dec.Token(); err != nil {
		return u, err
	}
	ids := make(map[string]update.ID)
	for dec.More() {
		key, err := dec.Token()
		if err != nil {
			return u, err
		}
		name, _ := key.(string)
		if name != "update_id" {
			u.Type, name = name, ""
		}
		if err := walk(dec, name, ids); err != nil {
			return u, err
		}
	}
	u.ID = ids["update_id"]
	u.Chat = cmp.Or(ids[".chat.id"], ids[".user_chat_id"], ids[".message.chat.id"])
	u.User = cmp.Or(ids[".from.id"], ids[".user.id"], ids[".boost.source.user.id"], ids[".source.user.id"])
	_, err = dec.Token()
	return u, err
}

// walk reads the next value, which stands at path, and keeps the ids in it.
func walk(dec *json.Decoder, path string, ids map[string]update.ID) error {
	token, err := dec.Token()
	if err != nil {
		return err
	}
	if number, ok := token.(json.Number); ok {
		n, err := number.Int64()
		ids[path] = update.ID{Int64: n, Valid: err == nil}
	}
	if token != json.Delim('{') && token != json.Delim('[') {
		return nil
	}
	for dec.More() {
		below := path + "[]"
		if token == json.Delim('{') {
			key, err := dec.Token()
			if err != nil {
				return err
			}
			below = path + "." + key.(string)
		}
		if err := walk(dec, below, ids); err != nil {
			return err
		}
	}
	_, err = dec.Token()
	return err
}

var errInvalid = errors.New("not JSON")

func validatedGJSON(body []byte) (update.Update, error) {
	if !gjson.ValidBytes(body) {
		return update.Update{}, errInvalid
	}
	return withGJSON(body)
}

func withGJSON(body []byte) (u update.Update, err error) {
	gjson.ParseBytes(body).ForEach(func(key, value gjson.Result) bool {
		if key.Str == "update_id" {
			u.ID = number(value)
			return true
		}
		u.Type = key.Str
		var chat, userChat, messageChat, from, user, boost, source gjson.Result
		value.ForEach(func(key, value gjson.Result) bool {
			switch key.Str {
			case "chat":
				chat = value.Get("id")
			case "user_chat_id":
				userChat = value
			case "message":
				messageChat = value.Get("chat.id")
			case "from":
				from = value.Get("id")
			case "user":
				user = value.Get("id")
			case "boost":
				boost = value.Get("source.user.id")
			case "source":
				source = value.Get("user.id")
			}
			return true
		})
		u.Chat = cmp.Or(number(chat), number(userChat), number(messageChat))
		u.User = cmp.Or(number(from), number(user), number(boost), number(source))
		return true
	})
	return u, nil
}

func number(r gjson.Result) update.ID {
	if r.Type != gjson.Number {
		return update.ID{}
	}
	return update.ID{Int64: r.Int(), Valid: true}
}

func withJSONParser(body []byte) (u update.Update, err error) {
	err = jsonparser.ObjectEach(body, func(key, value []byte, t jsonparser.ValueType, _ int) error {
		if string(key) == "update_id" {
			n, err := jsonparser.ParseInt(value)
			u.ID = update.ID{Int64: n, Valid: err == nil}
			return nil
		}
		u.Type = string(key)
		if t != jsonparser.Object {
			return nil
		}
		return jsonparser.ObjectEach(value, func(key, value []byte, _ jsonparser.ValueType, _ int) error {
			switch string(key) {
			case "chat":
				set(&u.Chat, value, "id")
			case "user_chat_id":
				if !u.Chat.Valid {
					set(&u.Chat, value)
				}
			case "message":
				set(&u.Chat, value, "chat", "id")
			case "from", "user":
				set(&u.User, value, "id")
			case "boost":
				set(&u.User, value, "source", "user", "id")
			case "source":
				set(&u.User, value, "user", "id")
			}
			return nil
		})
	})
	return u, err
}

func set(id *update.ID, value []byte, path ...string) {
	n, err := jsonparser.GetInt(value, path...)
	if err == nil {
		*id = update.ID{Int64: n, Valid: true}
	}
}
