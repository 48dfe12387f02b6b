package main

import (
	"bytes"
	"encoding/json"
	"errors"

	"github.com/buger/jsonparser"
	"github.com/tidwall/gjson"

	"github.com/caddy-telegram/telegramwebhook/internal/update"
)

// candidates are the ways to read an update, each as simple as it gets.
var candidates = []struct {
	name  string
	parse func([]byte) (update.Update, error)
}{
	{"internal/update", update.Parse},
	{"encoding/json, one struct, messages only", messageStruct},
	{"encoding/json, map and struct", mapAndStruct},
	{"encoding/json, tokens", tokens},
	{"gjson", withGJSON},
	{"gjson, validated", validatedGJSON},
	{"jsonparser", withJSONParser},
}

type object struct{ ID *int64 }

type content struct {
	Chat, From, User *object
	UserChatID       *int64 `json:"user_chat_id"`
	Message          struct{ Chat *object }
	Boost            struct{ Source struct{ User *object } }
	Source           struct{ User *object }
}

func id(n *int64) update.ID {
	if n == nil {
		return update.ID{}
	}
	return update.ID{Int64: *n, Valid: true}
}

func first(objects ...*object) update.ID {
	for _, o := range objects {
		if o != nil && o.ID != nil {
			return id(o.ID)
		}
	}
	return update.ID{}
}

// messageStruct is what encoding/json can do at best: it knows one type of
// update, and no unknown one.
func messageStruct(body []byte) (update.Update, error) {
	var u struct {
		ID      *int64 `json:"update_id"`
		Message *struct{ Chat, From *object }
	}
	if err := json.Unmarshal(body, &u); err != nil || u.Message == nil {
		return update.Update{}, errors.Join(err, errors.New("not a message"))
	}
	return update.Update{ID: id(u.ID), Type: "message", Chat: first(u.Message.Chat), User: first(u.Message.From)}, nil
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
		u.Chat = first(c.Chat, c.Message.Chat)
		if c.UserChatID != nil && c.Chat == nil {
			u.Chat = id(c.UserChatID)
		}
		u.User = first(c.From, c.User, c.Boost.Source.User, c.Source.User)
	}
	return u, nil
}

// places says what stands where below the type.
var places = map[string]func(*update.Update) *update.ID{
	"chat.id":              func(u *update.Update) *update.ID { return &u.Chat },
	"message.chat.id":      func(u *update.Update) *update.ID { return &u.Chat },
	"user_chat_id":         func(u *update.Update) *update.ID { return &u.Chat },
	"from.id":              func(u *update.Update) *update.ID { return &u.User },
	"user.id":              func(u *update.Update) *update.ID { return &u.User },
	"source.user.id":       func(u *update.Update) *update.ID { return &u.User },
	"boost.source.user.id": func(u *update.Update) *update.ID { return &u.User },
}

func tokens(body []byte) (u update.Update, err error) {
	dec := json.NewDecoder(bytes.NewReader(body))
	dec.UseNumber()
	if _, err := dec.Token(); err != nil {
		return u, err
	}
	for dec.More() {
		key, err := dec.Token()
		if err != nil {
			return u, err
		}
		if key == "update_id" {
			u.ID = number(dec)
			continue
		}
		u.Type, _ = key.(string)
		if err := tokensBelow(dec, &u, ""); err != nil {
			return u, err
		}
	}
	_, err = dec.Token()
	return u, err
}

func number(dec *json.Decoder) (id update.ID) {
	token, _ := dec.Token()
	n, _ := token.(json.Number)
	var err error
	id.Int64, err = n.Int64()
	id.Valid = err == nil
	return id
}

// tokensBelow reads the next value, which stands at path.
func tokensBelow(dec *json.Decoder, u *update.Update, path string) error {
	if place := places[path]; place != nil {
		*place(u) = number(dec)
		return nil
	}
	token, err := dec.Token()
	if err != nil || token != json.Delim('{') && token != json.Delim('[') {
		return err
	}
	for dec.More() {
		below := "-"
		if token == json.Delim('{') {
			key, err := dec.Token()
			if err != nil {
				return err
			}
			if below, _ = key.(string); path != "" {
				below = path + "." + below
			}
		}
		if err := tokensBelow(dec, u, below); err != nil {
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
			u.ID = update.ID{Int64: value.Int(), Valid: value.Type == gjson.Number}
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
		u.Chat = firstNumber(chat, userChat, messageChat)
		u.User = firstNumber(from, user, boost, source)
		return true
	})
	return u, nil
}

func firstNumber(results ...gjson.Result) update.ID {
	for _, r := range results {
		if r.Type == gjson.Number {
			return update.ID{Int64: r.Int(), Valid: true}
		}
	}
	return update.ID{}
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
