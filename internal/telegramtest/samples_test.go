package telegramtest

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
)

const (
	zoe     = 204536821
	ravi    = 7120045519
	group   = -1002147483648
	channel = -1001005640892
)

// queues says where the sample of each type is queued.
var queues = map[string]int64{
	"message":                    zoe,
	"edited_message":             group,
	"channel_post":               channel,
	"edited_channel_post":        channel,
	"inline_query":               zoe + 1<<33,
	"chosen_inline_result":       zoe + 2<<33,
	"callback_query":             zoe + 3<<33,
	"shipping_query":             zoe + 4<<33,
	"pre_checkout_query":         zoe + 4<<33,
	"my_chat_member":             zoe + 5<<33,
	"chat_member":                ravi + 6<<33,
	"chat_join_request":          ravi + 6<<33,
	"chat_boost":                 channel + 7<<33,
	"removed_chat_boost":         channel + 7<<33,
	"message_reaction":           group + 8<<33,
	"message_reaction_count":     channel + 9<<33,
	"business_connection":        ravi + 10<<33,
	"business_message":           zoe + 11<<33,
	"edited_business_message":    zoe + 11<<33,
	"deleted_business_messages":  zoe + 11<<33,
	"guest_message":              group + 12<<33,
	"purchased_paid_media":       ravi + 12<<33,
	"managed_bot":                zoe + 13<<33,
	"poll":                       5438219006372184092,
	"poll_answer":                5438219006372184093,
	"subscription":               0,
	"stopped_message_generation": 0,
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
		if u.Type != kind || u.Queue != queue || u.ID == 0 || ids[u.ID] {
			t.Errorf("%s: got id %d, type %q, queue %d, want queue %d", kind, u.ID, u.Type, u.Queue, queue)
		}
		ids[u.ID] = true
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
			Chat struct{ ID int64 }
		}
	}
	if err := json.Unmarshal(body, &got); err != nil {
		t.Fatal(err)
	}
	if got.UpdateID != 42 || got.Message.Chat.ID != -1001 || got.Message.Text != text {
		t.Errorf("got %+v", got)
	}
}
