package update

import (
	"bytes"
	"slices"
	"strings"
	"testing"

	"github.com/caddy-telegram/telegramwebhook/internal/telegramtest"
)

// Who and where the samples are from.
const (
	zoe, ravi            = 204536821, 7120045519
	group, channel       = -1002147483648, -1001005640892
	none           int64 = 0
)

func id(n int64) ID { return ID{Int64: n, Valid: n != none} }

func TestParseEveryType(t *testing.T) {
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
		u, err := Parse(samples[name])
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if !u.ID.Valid || u.ID.Int64/100 != 4719617 && u.ID.Int64/100 != 4719618 || seen[u.ID.Int64] {
			t.Errorf("%s: got the update_id %v", name, u.ID)
		}
		seen[u.ID.Int64] = true
		if u.Type != name || u.Chat != id(in.chat) || u.User != id(in.user) {
			t.Errorf("%s: got %q, chat %q, user %q, want %+v", name, u.Type, u.Chat, u.User, in)
		}
		for n := range samples[name] {
			if u, err := Parse(samples[name][:n]); err == nil || u != (Update{}) {
				t.Fatalf("%s cut off after %d bytes: got %+v, %v, want an error and nothing else", name, n, u, err)
			}
		}
	}
}

func message(chat, user int64) Update { return Update{id(1), "message", id(chat), id(user)} }

// bodies holds what is JSON, and what it says of itself.
var bodies = map[string]struct {
	body string
	want Update
}{
	// Parts that an update may lack.
	"only an id":                   {`{"update_id":1}`, Update{ID: id(1)}},
	"no id":                        {`{"message":{"chat":{"id":2},"from":{"id":3}}}`, Update{Type: "message", Chat: id(2), User: id(3)}},
	"nothing":                      {`{}`, Update{}},
	"a message without a sender":   {`{"update_id":1,"message":{"sender_chat":{"id":9},"chat":{"id":2}}}`, message(2, none)},
	"a button of an inline result": {`{"update_id":1,"callback_query":{"from":{"id":3},"inline_message_id":"x"}}`, Update{id(1), "callback_query", ID{}, id(3)}},
	"a reaction of a chat":         {`{"update_id":1,"message_reaction":{"chat":{"id":2},"actor_chat":{"id":9}}}`, Update{id(1), "message_reaction", id(2), ID{}}},
	"a vote of a chat":             {`{"update_id":1,"poll_answer":{"voter_chat":{"id":9}}}`, Update{id(1), "poll_answer", ID{}, ID{}}},
	"a boost of nobody":            {`{"update_id":1,"chat_boost":{"chat":{"id":2},"boost":{"source":{"source":"giveaway"}}}}`, Update{id(1), "chat_boost", id(2), ID{}}},

	// Types to come.
	"a new type":                  {`{"update_id":1,"new_type":{"chat":{"id":2},"from":{"id":3}}}`, Update{id(1), "new_type", id(2), id(3)}},
	"a new type with a user":      {`{"update_id":1,"new_type":{"user":{"id":3}}}`, Update{id(1), "new_type", ID{}, id(3)}},
	"a new type that is a list":   {`{"update_id":1,"new_type":[{"chat":{"id":2}}]}`, Update{id(1), "new_type", ID{}, ID{}}},
	"a new type that is a number": {`{"update_id":1,"new_type":7}`, Update{id(1), "new_type", ID{}, ID{}}},
	"a new type that is null":     {`{"update_id":1,"new_type":null}`, Update{id(1), "new_type", ID{}, ID{}}},
	"two types":                   {`{"message":{"chat":{"id":2}},"update_id":1,"poll":{"user":{"id":3}}}`, Update{ID: id(1)}},
	"two types, one twice":        {`{"message":{},"poll":{},"poll":{"chat":{"id":2}}}`, Update{}},

	// Any order, any form.
	"the id last":                {`{"message":{"from":{"name":"x","id":3},"chat":{"type":"x","id":2}},"update_id":1}`, message(2, 3)},
	"the other place first":      {`{"x":{"user":{"id":9},"user_chat_id":9,"from":{"id":3},"chat":{"id":2}}}`, Update{ID{}, "x", id(2), id(3)}},
	"the other place last":       {`{"x":{"chat":{"id":2},"from":{"id":3},"user_chat_id":9,"user":{"id":9}}}`, Update{ID{}, "x", id(2), id(3)}},
	"white space":                {" \r\n\t{ \"update_id\" : 1 ,\n\"message\" :\t{ \"chat\" : { \"id\" : 2 } , \"x\" : [ ] } } \n", message(2, none)},
	"escapes in the keys":        {`{"update\u005fid":1,"mess\u0061ge":{"\u0063hat":{"i\u0064":2},"fro\u006D":{"id":3}}}`, message(2, 3)},
	"an escape that is not ours": {`{"update_id":1,"message":{"\u0043hat":{"id":2}}}`, message(none, none)},
	"other letter case":          {`{"update_id":1,"message":{"Chat":{"id":2},"FROM":{"id":3},"chat":{"ID":2}}}`, message(none, none)},

	// Look-alikes.
	"a reply":           {`{"update_id":1,"message":{"reply_to_message":{"chat":{"id":8},"from":{"id":9}},"chat":{"id":2},"from":{"id":3}}}`, message(2, 3)},
	"a reply afterward": {`{"update_id":1,"message":{"chat":{"id":2},"from":{"id":3},"reply_to_message":{"chat":{"id":8},"from":{"id":9},"update_id":7}}}`, message(2, 3)},
	"a forward":         {`{"update_id":1,"message":{"forward_origin":{"type":"channel","chat":{"id":8},"sender_user":{"id":9}},"chat":{"id":2}}}`, message(2, none)},
	"a mention":         {`{"update_id":1,"message":{"chat":{"id":2},"entities":[{"user":{"id":9}},{"chat":{"id":8},"from":{"id":9}}]}}`, message(2, none)},
	"JSON in the text":  {`{"update_id":1,"message":{"text":"\"},\"chat\":{\"id\":8},\"from\":{\"id\":9}}","chat":{"id":2},"caption":"}}{\\"}}`, message(2, none)},
	"ids below the id":  {`{"update_id":1,"message":{"chat":{"photo":{"id":8},"id":2,"x":[{"id":9}]}}}`, message(2, none)},
	"keys as values":    {`{"update_id":1,"message":{"text":"chat","x":"from","chat":{"title":"id","id":2}}}`, message(2, none)},

	// Of equal keys the last counts, with all that is in it.
	"two ids":             {`{"update_id":8,"update_id":1}`, Update{ID: id(1)}},
	"the same type twice": {`{"message":{"chat":{"id":8}},"update_id":1,"messa\u0067e":{"from":{"id":3}}}`, message(none, 3)},
	"two chats":           {`{"update_id":1,"message":{"chat":{"id":8},"chat":{"id":9,"id":2}}}`, message(2, none)},
	"a chat, then none":   {`{"update_id":1,"message":{"chat":{"id":8},"from":{"id":3},"chat":null}}`, message(none, 3)},
	"an id, then text":    {`{"update_id":1,"message":{"chat":{"id":8,"id":"8"}}}`, message(none, none)},

	// Ids.
	"the largest":         {`{"update_id":9223372036854775807}`, Update{ID: ID{1<<63 - 1, true}}},
	"the smallest":        {`{"update_id":-9223372036854775808}`, Update{ID: ID{-1 << 63, true}}},
	"beyond float64":      {`{"update_id":9007199254740993}`, Update{ID: id(9007199254740993)}},
	"zero":                {`{"update_id":0}`, Update{ID: ID{0, true}}},
	"minus zero":          {`{"update_id":-0}`, Update{ID: ID{0, true}}},
	"too large":           {`{"update_id":9223372036854775808}`, Update{}},
	"too small":           {`{"update_id":-9223372036854775809}`, Update{}},
	"far too large":       {`{"update_id":1` + strings.Repeat("0", 1<<16) + `}`, Update{}},
	"text":                {`{"update_id":"1"}`, Update{}},
	"a fraction":          {`{"update_id":1.0}`, Update{}},
	"an exponent":         {`{"update_id":1e3}`, Update{}},
	"true":                {`{"update_id":true}`, Update{}},
	"null":                {`{"update_id":null}`, Update{}},
	"a list":              {`{"update_id":[1]}`, Update{}},
	"an object":           {`{"update_id":{"id":1}}`, Update{}},
	"a chat that is text": {`{"update_id":1,"message":{"chat":"2","from":[3]}}`, message(none, none)},

	// JSON that is no update.
	"an array":      {`[{"update_id":1,"message":{"chat":{"id":2}}}]`, Update{}},
	"a number":      {`1`, Update{}},
	"a text":        {`"update_id"`, Update{}},
	"null itself":   {`null`, Update{}},
	"an empty key":  {`{"":{"chat":{"id":2}}}`, Update{Chat: id(2)}},
	"invalid UTF-8": {"{\"update_id\":1,\"m\xff\":{\"\xffchat\":{\"id\":8},\"chat\":{\"title\":\"\xc3\",\"id\":2}}}", Update{id(1), "m\uFFFD", id(2), ID{}}},
}

func TestParse(t *testing.T) {
	for name, tc := range bodies {
		if got, err := Parse([]byte(tc.body)); err != nil || got != tc.want {
			t.Errorf("%s: got %+v, %v, want %+v", name, got, err, tc.want)
		}
	}
}

func TestParseKeepsNothingOfTheBody(t *testing.T) {
	body := slices.Clone(telegramtest.Updates()["message"])
	u, err := Parse(body)
	clear(body)
	if err != nil || u.Type != "message" {
		t.Errorf("got %q, %v", u.Type, err)
	}
}

func TestParseOfLargeBodies(t *testing.T) {
	for _, size := range []int{1 << 10, 512 << 10, 1 << 20} {
		body := telegramtest.Message(1, group, strings.Repeat("a \"b\"\n", size/8))
		u, err := Parse(body)
		if err != nil || u != (Update{id(1), "message", id(group), id(zoe)}) {
			t.Errorf("%d bytes: got %+v, %v", len(body), u, err)
		}
		if n := testing.AllocsPerRun(5, func() { Parse(body) }); n > 1 {
			t.Errorf("%d bytes: %v allocations, want at most the one for the type", len(body), n)
		}
		if _, err := Parse(bytes.Replace(body, []byte(`b\"\n","link`), []byte(`b\"\n,"link`), 1)); err == nil {
			t.Errorf("%d bytes without a quote at the end: got no error", len(body))
		}
	}
}

func TestString(t *testing.T) {
	for want, id := range map[string]ID{"": {}, "0": {0, true}, "-1002147483648": id(group)} {
		if got := id.String(); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

func BenchmarkParse(b *testing.B) {
	for name, body := range map[string][]byte{
		"1KB":   telegramtest.Message(1, group, "I can. Do the tomatoes need water too?"),
		"512KB": telegramtest.Message(1, group, strings.Repeat("A long text.\n", 37_000)),
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			b.SetBytes(int64(len(body)))
			for b.Loop() {
				Parse(body)
			}
		})
	}
}
