package telegram_test

import (
	"cmp"
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/caddy-telegram/telegramwebhook/internal/telegram"
	"github.com/caddy-telegram/telegramwebhook/internal/telegramtest"
)

// The users and chats of the samples.
const (
	zoe, ravi            = 204536821, 7120045519
	group, channel       = -1002147483648, -1001005640892
	none           int64 = 0
)

// fields are those that the placeholders show.
type fields struct {
	ID         int64
	Type       string
	Chat, User int64
}

func parse(body string) fields {
	u := telegram.ParseUpdate(body)
	return fields{u.ID, u.Type, u.Chat, u.User}
}

func TestUpdatesOfEveryType(t *testing.T) {
	types := map[string]struct{ chat, user int64 }{
		"message":                    {zoe, zoe},
		"edited_message":             {group, ravi},
		"channel_post":               {channel, none},
		"edited_channel_post":        {channel, none},
		"business_connection":        {ravi, ravi},
		"business_message":           {zoe, zoe},
		"edited_business_message":    {zoe, zoe},
		"deleted_business_messages":  {zoe, none},
		"guest_message":              {group, zoe},
		"message_reaction":           {group, ravi},
		"message_reaction_count":     {channel, none},
		"inline_query":               {none, zoe},
		"chosen_inline_result":       {none, zoe},
		"callback_query":             {zoe, zoe},
		"shipping_query":             {none, zoe},
		"pre_checkout_query":         {none, zoe},
		"purchased_paid_media":       {none, ravi},
		"poll":                       {none, none},
		"poll_answer":                {none, ravi},
		"my_chat_member":             {zoe, zoe},
		"chat_member":                {group, zoe},
		"chat_join_request":          {group, ravi},
		"chat_boost":                 {channel, ravi},
		"removed_chat_boost":         {channel, ravi},
		"managed_bot":                {none, zoe},
		"subscription":               {none, ravi},
		"stopped_message_generation": {zoe, none},
	}
	samples := telegramtest.Updates()
	if len(samples) != len(types) {
		t.Errorf("got samples of %d types, want %d", len(samples), len(types))
	}
	seen := make(map[int64]bool)
	for name, in := range types {
		body := string(samples[name])
		u := parse(body)
		if u.ID/100 != 4719617 && u.ID/100 != 4719618 || seen[u.ID] {
			t.Errorf("%s: got the update_id %d", name, u.ID)
		}
		seen[u.ID] = true
		if want := (fields{u.ID, name, in.chat, in.user}); u != want {
			t.Errorf("%s: got %+v, want %+v", name, u, want)
		}
		for n := range len(body) {
			if u := parse(body[:n]); u != (fields{}) {
				t.Fatalf("%s cut off after %d bytes: got %+v, want no update", name, n, u)
			}
		}
	}
}

func message(chat, user int64) fields { return fields{1, "message", chat, user} }

// bodies holds JSON, and the update in it.
var bodies = map[string]struct {
	body string
	want fields
}{
	// Parts that an update may lack.
	"only an id":                   {`{"update_id":1}`, fields{ID: 1}},
	"no id":                        {`{"message":{"chat":{"id":2},"from":{"id":3}}}`, fields{Type: "message", Chat: 2, User: 3}},
	"nothing":                      {`{}`, fields{}},
	"a message without a sender":   {`{"update_id":1,"message":{"sender_chat":{"id":9},"chat":{"id":2}}}`, message(2, none)},
	"a button of an inline result": {`{"update_id":1,"callback_query":{"from":{"id":3},"inline_message_id":"x"}}`, fields{1, "callback_query", none, 3}},
	"a reaction of a chat":         {`{"update_id":1,"message_reaction":{"chat":{"id":2},"actor_chat":{"id":9}}}`, fields{1, "message_reaction", 2, none}},
	"a vote of a chat":             {`{"update_id":1,"poll_answer":{"voter_chat":{"id":9}}}`, fields{1, "poll_answer", none, none}},
	"a boost of nobody":            {`{"update_id":1,"chat_boost":{"chat":{"id":2},"boost":{"source":{"source":"giveaway"}}}}`, fields{1, "chat_boost", 2, none}},

	// Types to come.
	"a new type":                  {`{"update_id":1,"new_type":{"chat":{"id":2},"from":{"id":3}}}`, fields{1, "new_type", 2, 3}},
	"a new type with a user":      {`{"update_id":1,"new_type":{"user":{"id":3}}}`, fields{1, "new_type", none, 3}},
	"a new type that is a list":   {`{"update_id":1,"new_type":[{"chat":{"id":2}}]}`, fields{ID: 1}},
	"a new type that is a number": {`{"update_id":1,"new_type":7}`, fields{ID: 1}},
	"a new type that is null":     {`{"update_id":1,"new_type":null}`, fields{ID: 1}},
	"text beside a type":          {`{"update_id":1,"a":"x","message":{"chat":{"id":2}},"b":7,"c":null}`, message(2, none)},
	"two types":                   {`{"message":{"chat":{"id":2}},"update_id":1,"poll":{"user":{"id":3}}}`, fields{1, "poll", none, 3}},

	// Any order, any form.
	"the id last":           {`{"message":{"from":{"name":"x","id":3},"chat":{"type":"x","id":2}},"update_id":1}`, message(2, 3)},
	"the other place first": {`{"x":{"user":{"id":9},"user_chat_id":9,"from":{"id":3},"chat":{"id":2}}}`, fields{none, "x", 2, 3}},
	"the other place last":  {`{"x":{"chat":{"id":2},"from":{"id":3},"user_chat_id":9,"user":{"id":9}}}`, fields{none, "x", 2, 3}},
	"white space":           {" \r\n\t{ \"update_id\" : 1 ,\n\"message\" :\t{ \"chat\" : { \"id\" : 2 } , \"x\" : [ ] } } \n", message(2, none)},
	"escapes in the keys":   {`{"update\u005fid":1,"mess\u0061ge":{"\u0063hat":{"i\u0064":2},"fro\u006D":{"id":3}}}`, message(2, 3)},

	// Look-alikes.
	"a reply":           {`{"update_id":1,"message":{"reply_to_message":{"chat":{"id":8},"from":{"id":9}},"chat":{"id":2},"from":{"id":3}}}`, message(2, 3)},
	"a reply afterward": {`{"update_id":1,"message":{"chat":{"id":2},"from":{"id":3},"reply_to_message":{"chat":{"id":8},"from":{"id":9},"update_id":7}}}`, message(2, 3)},
	"a forward":         {`{"update_id":1,"message":{"forward_origin":{"type":"channel","chat":{"id":8},"sender_user":{"id":9}},"chat":{"id":2}}}`, message(2, none)},
	"a mention":         {`{"update_id":1,"message":{"chat":{"id":2},"entities":[{"user":{"id":9}},{"chat":{"id":8},"from":{"id":9}}]}}`, message(2, none)},
	"JSON in the text":  {`{"update_id":1,"message":{"text":"\"},\"chat\":{\"id\":8},\"from\":{\"id\":9}}","chat":{"id":2},"caption":"}}{\\"}}`, message(2, none)},
	"ids below the id":  {`{"update_id":1,"message":{"chat":{"photo":{"id":8},"id":2,"x":[{"id":9}]}}}`, message(2, none)},
	"keys as values":    {`{"update_id":1,"message":{"text":"chat","x":"from","chat":{"title":"id","id":2}}}`, message(2, none)},

	// Of equal keys beside each other in an update the last counts.
	"two ids":             {`{"update_id":8,"update_id":1}`, fields{ID: 1}},
	"the same type twice": {`{"message":{"chat":{"id":8}},"update_id":1,"messa\u0067e":{"from":{"id":3}}}`, message(none, 3)},

	// Ids.
	"the largest":             {`{"update_id":9223372036854775807}`, fields{ID: 1<<63 - 1}},
	"the smallest":            {`{"update_id":-9223372036854775808}`, fields{ID: -1 << 63}},
	"beyond float64":          {`{"update_id":9007199254740993}`, fields{ID: 9007199254740993}},
	"too large":               {`{"update_id":9223372036854775808}`, fields{}},
	"too small":               {`{"update_id":-9223372036854775809}`, fields{}},
	"far too large":           {`{"update_id":1` + strings.Repeat("0", 1<<16) + `}`, fields{}},
	"text":                    {`{"update_id":"1"}`, fields{}},
	"a fraction":              {`{"update_id":1.0}`, fields{}},
	"an exponent":             {`{"update_id":1e3}`, fields{}},
	"true":                    {`{"update_id":true}`, fields{}},
	"null":                    {`{"update_id":null}`, fields{}},
	"a list":                  {`{"update_id":[1]}`, fields{}},
	"an object":               {`{"update_id":{"id":1}}`, fields{}},
	"a place of another kind": {`{"update_id":1,"new_type":{"message":"hi","source":7,"boost":[],"chat":{"id":2}}}`, fields{1, "new_type", 2, none}},
	"a chat that is text":     {`{"update_id":1,"message":{"chat":"2","from":[3]}}`, message(none, none)},

	// JSON that is no update.
	"an array":              {`[{"update_id":1,"message":{"chat":{"id":2}}}]`, fields{}},
	"a number":              {`1`, fields{}},
	"a text":                {`"update_id"`, fields{}},
	"null itself":           {`null`, fields{}},
	"an empty key":          {`{"":{"chat":{"id":2}}}`, fields{Chat: 2}},
	"thousands of brackets": {`{"update_id":1,"message":{"text":"` + strings.Repeat("[{", 20_000) + `","chat":{"id":2}}}`, fields{1, "message", 2, none}},
	"thousands of lists":    {`{"update_id":1,"message":{"a":[[]` + strings.Repeat(",[]", 40_000) + `],"chat":{"id":2}}}`, fields{1, "message", 2, none}},
	"invalid UTF-8":         {"{\"update_id\":1,\"m\xff\":{\"\xffchat\":{\"id\":8},\"chat\":{\"title\":\"\xc3\",\"id\":2}}}", fields{1, "m\xff", 2, none}},
}

// malformed holds bodies that are not JSON.
var malformed = []string{
	``, "  \n", `{`, `[`, `{"update_id"`, `{"update_id":`, `{"update_id":1`, `{"update_id":1,`, `{"update_id":1,"`,
	`{"a":"\`, `{"update_id":1}}`, `{"update_id":1}{"update_id":2}`, `{"update_id":1} x`, `{"update_id":1,}`, `{,"update_id":1}`,
	`{"update_id":1 "a":2}`, `{"update_id" 1}`, `{"update_id":}`, `{"update_id":+1}`, `{"update_id":01}`, `{"update_id":1.}`,
	`{"update_id":0x1}`, `{"update_id":NaN}`, `{update_id:1}`, `{'update_id':1}`, `{"update_id":1,"a":tru}`, `{"update_id":1]`,
	`{"update_id":1,"a":[1,]}`, "{\"update_id\":1,\"a\":\"\n\"}", "{\"update_id\":1}\x00", "\xef\xbb\xbf{\"update_id\":1}", `update_id=1`,
	`{"update_id":1,"message":{"chat":{"id":2},"from":{"id":3},"text":"x}}`,
	strings.Repeat("[", 1<<20), strings.Repeat(`{"message":`, 100_000),
	`{"update_id":1,"message":` + strings.Repeat("[", 100_000) + strings.Repeat("]", 100_000) + `}`,
}

func TestUpdatesOfAnyForm(t *testing.T) {
	for name, tc := range bodies {
		if got := parse(tc.body); got != tc.want {
			t.Errorf("%s: got %+v, want %+v", name, got, tc.want)
		}
	}
	for _, body := range malformed {
		if got := parse(body); got != (fields{}) {
			t.Errorf("%.100q: got %+v, want no update", body, got)
		}
	}
	long := string(telegramtest.Message(1, group, strings.Repeat("a \"b\"\n", 100_000)))
	if got := parse(long); got != message(group, zoe) {
		t.Errorf("%d bytes: got %+v", len(long), got)
	}
}

// FuzzParseUpdate compares ParseUpdate with encoding/json. They agree on what JSON is and on
// update_id; on the rest in JSON that has no key twice, as encoding/json writes it.
func FuzzParseUpdate(f *testing.F) {
	for _, body := range telegramtest.Updates() {
		f.Add(body)
	}
	for _, tc := range bodies {
		f.Add([]byte(tc.body))
	}
	for _, body := range malformed {
		f.Add([]byte(body))
	}
	f.Fuzz(func(t *testing.T, content []byte) {
		body := string(content)
		got := parse(body)
		object := decode(body)
		if object == nil {
			if got != (fields{}) {
				t.Errorf("%.1000q: got %+v, want no update", body, got)
			}
			return
		}
		want := fields{ID: idAt(object, "update_id")}
		if got.ID != want.ID {
			t.Errorf("%.1000q: got the id %d, want %d", body, got.ID, want.ID)
		}
		for _, key := range slices.Sorted(maps.Keys(object)) { // as they are written
			if content, ok := object[key].(map[string]any); ok && key != "update_id" {
				want.Type = key
				want.Chat = cmp.Or(idAt(content, "chat", "id"), idAt(content, "user_chat_id"), idAt(content, "message", "chat", "id"))
				want.User = cmp.Or(idAt(content, "from", "id"), idAt(content, "user", "id"),
					idAt(content, "boost", "source", "user", "id"), idAt(content, "source", "user", "id"))
			}
		}
		written, err := json.Marshal(object)
		if err != nil {
			t.Fatal(err)
		}
		if got := parse(string(written)); got != want {
			t.Errorf("%.1000q: got %+v, want %+v", written, got, want)
		}
	})
}

// decode returns the JSON object that a body is, or nil.
func decode(body string) (object map[string]any) {
	if !json.Valid([]byte(body)) {
		return nil
	}
	dec := json.NewDecoder(strings.NewReader(body))
	dec.UseNumber()
	_ = dec.Decode(&object)
	return object
}

// idAt returns the id at the end of a path through objects, or 0.
func idAt(value any, path ...string) int64 {
	for _, key := range path {
		object, _ := value.(map[string]any)
		value = object[key]
	}
	number, _ := value.(json.Number)
	id, err := number.Int64()
	if err != nil {
		return 0
	}
	return id
}

func BenchmarkParseUpdate(b *testing.B) {
	for name, text := range map[string]string{
		"1KB":   "I can. Do the tomatoes need water too?",
		"512KB": strings.Repeat("A long text.\n", 37_000),
	} {
		body := string(telegramtest.Message(1, group, text))
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			b.SetBytes(int64(len(body)))
			for b.Loop() {
				parse(body)
			}
		})
	}
}
