package telegram

import (
	"testing"
	"time"
)

func TestParseUpdate(t *testing.T) {
	for body, want := range map[string]Update{
		`{"update_id":7}`: {ID: 7},
		`{"update_id":7,"new_thing":{"chat":{"id":3}}}`:                               {ID: 7, Type: "new_thing"},
		`{"update_id":7,"new_thing":[1]}`:                                             {ID: 7},
		`{"callback_query":{"from":{"id":4}},"update_id":8}`:                          {ID: 8, Type: "callback_query", Queue: 4 + 3<<33},
		`{"update_id":9,"poll_answer":{"poll_id":"6","voter_chat":{"id":1}}}`:         {ID: 9, Type: "poll_answer", Queue: 6},
		`{"update_id":9,"inline_query":{}}`:                                           {ID: 9, Type: "inline_query"},
		`{"update_id":9,"message":{"chat":{"id":3},"date":50}}`:                       {ID: 9, Type: "message", Queue: 3, Date: time.Unix(50, 0)},
		`{"update_id":9,"edited_message":{"chat":{"id":3},"date":50,"edit_date":60}}`: {ID: 9, Type: "edited_message", Queue: 3, Date: time.Unix(60, 0)},
		`{"update_id":9,"chat_boost":{"chat":{"id":3},"boost":{"add_date":50}}}`:      {ID: 9, Type: "chat_boost", Queue: 3 + 7<<33, Date: time.Unix(50, 0)},
		`{"update_id":9,"business_connection":{"user":{"id":3},"date":50}}`:           {ID: 9, Type: "business_connection", Queue: 3 + 10<<33},
		`not JSON`: {},
		`[]`:       {},
	} {
		got := ParseUpdate(body)
		if got.ID != want.ID || got.Type != want.Type || got.Queue != want.Queue || !got.Date.Equal(want.Date) {
			t.Errorf("%s: got %d %q %d %v", body, got.ID, got.Type, got.Queue, got.Date)
		}
	}
}

func TestExpiry(t *testing.T) {
	for kind, want := range map[string]time.Duration{
		"message": 24 * time.Hour, "poll": 24 * time.Hour, "": 24 * time.Hour, "inline_query": 30 * time.Second,
		"chosen_inline_result": 10 * time.Minute,
		"callback_query":       150 * time.Second, "shipping_query": 150 * time.Second, "pre_checkout_query": 150 * time.Second,
	} {
		if got := Expiry(kind); got != want {
			t.Errorf("%q: got %v, want %v", kind, got, want)
		}
	}
}
