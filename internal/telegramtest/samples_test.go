package telegramtest

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"time"
)

// queues says where the sample of each type is queued.
var queues = map[string]string{
	"message":                    "chat 204536821",
	"edited_message":             "chat -1002147483648",
	"channel_post":               "chat -1001005640892",
	"edited_channel_post":        "chat -1001005640892",
	"business_connection":        "chat 7120045519",
	"business_message":           "chat 204536821",
	"edited_business_message":    "chat 204536821",
	"deleted_business_messages":  "chat 204536821",
	"guest_message":              "chat -1002147483648",
	"message_reaction":           "chat -1002147483648",
	"message_reaction_count":     "chat -1001005640892",
	"inline_query":               "user 204536821",
	"chosen_inline_result":       "user 204536821",
	"callback_query":             "user 204536821",
	"shipping_query":             "user 204536821",
	"pre_checkout_query":         "user 204536821",
	"purchased_paid_media":       "user 7120045519",
	"poll":                       "",
	"poll_answer":                "user 7120045519",
	"my_chat_member":             "chat 204536821",
	"chat_member":                "chat -1002147483648",
	"chat_join_request":          "chat -1002147483648",
	"chat_boost":                 "chat -1001005640892",
	"removed_chat_boost":         "chat -1001005640892",
	"managed_bot":                "user 204536821",
	"subscription":               "user 7120045519",
	"stopped_message_generation": "chat 204536821",
}

func TestUpdates(t *testing.T) {
	updates := Updates()
	if len(updates) != len(queues) {
		t.Errorf("got %d types, want %d", len(updates), len(queues))
	}
	ids := make(map[int64]bool)
	for kind, queue := range queues {
		body := updates[kind]
		if !json.Valid(body) || bytes.HasSuffix(body, []byte("\n")) || !strings.Contains(string(body), ",\n\""+kind+`":{`) {
			t.Errorf("%s: got %q", kind, body)
		}
		u := parseUpdate(body)
		if u.kind != kind || u.queue != queue || u.id == 0 || ids[u.id] {
			t.Errorf("%s: got id %d, type %q, queue %q, want queue %q", kind, u.id, u.kind, u.queue, queue)
		}
		ids[u.id] = true
	}
}

func TestParseUpdate(t *testing.T) {
	for body, want := range map[string]update{
		`{"update_id":7}`: {id: 7},
		`{"update_id":7,"new_thing":{"chat":{"id":3}}}`:         {id: 7, kind: "new_thing", queue: "chat 3"},
		`{"update_id":7,"new_thing":{"from":{"id":3}}}`:         {id: 7, kind: "new_thing", queue: "user 3"},
		`{"update_id":7,"new_thing":[1]}`:                       {id: 7, kind: "new_thing"},
		`{"callback_query":{"from":{"id":4}},"update_id":8}`:    {id: 8, kind: "callback_query", queue: "user 4"},
		`{"update_id":9,"poll_answer":{"voter_chat":{"id":1}}}`: {id: 9, kind: "poll_answer"},
		`not JSON`: {},
		`[]`:       {},
	} {
		got := parseUpdate([]byte(body))
		if got.id != want.id || got.kind != want.kind || got.queue != want.queue {
			t.Errorf("%s: got %d %q %q", body, got.id, got.kind, got.queue)
		}
	}
}

func TestExpiryOf(t *testing.T) {
	for kind, want := range map[string]time.Duration{
		"message": 24 * time.Hour, "poll": 24 * time.Hour, "": 24 * time.Hour, "inline_query": 30 * time.Second,
		"callback_query": 150 * time.Second, "shipping_query": 150 * time.Second, "pre_checkout_query": 150 * time.Second,
	} {
		if got := expiryOf(kind); got != want {
			t.Errorf("%q: got %v, want %v", kind, got, want)
		}
	}
}

func TestMessage(t *testing.T) {
	const text = "a \"b\" <é> \U0001F680\n"
	body := Message(42, -1001, text)
	if len(body) < 900 || len(body) > 1200 {
		t.Errorf("got %d bytes", len(body))
	}
	for _, c := range body {
		if c >= 0x80 {
			t.Fatal("not in ASCII")
		}
	}
	var got struct {
		UpdateID int64 `json:"update_id"`
		Message  struct {
			Text string
			Chat identity
		}
	}
	if err := json.Unmarshal(body, &got); err != nil {
		t.Fatal(err)
	}
	if got.UpdateID != 42 || got.Message.Chat.ID != -1001 || got.Message.Text != text {
		t.Errorf("got %+v", got)
	}
}
