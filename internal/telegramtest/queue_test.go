package telegramtest

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// Updates of a chat wait for each other by type.
func TestQueuesByType(t *testing.T) {
	of := func(id int, kind string) string {
		return fmt.Sprintf("{\"update_id\":%d,\n\"%s\":{\"id\":\"7\",\"poll_id\":\"7\",\"chat\":{\"id\":5},\"from\":{\"id\":5},\"user\":{\"id\":5},\"old_chat_member\":{\"user\":{\"id\":5}}}}", id, kind)
	}
	for _, test := range []struct {
		first, second string
		shared        bool
	}{
		{"message", "edited_message", true},
		{"message", "channel_post", true},
		{"channel_post", "edited_channel_post", true},
		{"my_chat_member", "message", false},
		{"my_chat_member", "chat_member", false},
		{"chat_member", "chat_join_request", true},
		{"message_reaction", "message", false},
		{"message_reaction", "message_reaction_count", false},
		{"chat_boost", "removed_chat_boost", true},
		{"business_message", "deleted_business_messages", true},
		{"business_message", "message", false},
		{"guest_message", "message", false},
		{"callback_query", "message", false},
		{"callback_query", "inline_query", false},
		{"shipping_query", "pre_checkout_query", true},
		{"inline_query", "chosen_inline_result", false},
		{"poll", "poll_answer", true},
		{"something_new", "something_new", false},
	} {
		synctest.Test(t, func(t *testing.T) {
			p := &pipes{answer: func(n int, _ string) string {
				if n > 0 {
					time.Sleep(time.Second)
				}
				return ok
			}}
			s := start(t, p, Webhook{}, Options{})
			s.Send([]byte(inChat(1, 99)))
			wait(t, s)
			s.Send([]byte(of(2, test.first)))
			s.Send([]byte(of(3, test.second)))
			wait(t, s)
			if shared := p.most == 1; shared != test.shared {
				t.Errorf("%s and %s: shared %v", test.first, test.second, shared)
			}
		})
	}
}

// With 40 connections 79 queues that fail leave room for others, and 80 do not,
// however many updates wait in them.
func TestBlockedQueues(t *testing.T) {
	for blocked, want := range map[int]bool{79: true, 80: false} {
		synctest.Test(t, func(t *testing.T) {
			p := &pipes{answer: func(_ int, update string) string {
				if strings.HasSuffix(update, `{"id":99}}}`) {
					return ok
				}
				return failing(503, "Retry-After: 600\r\n")
			}}
			s := start(t, p, Webhook{}, Options{})
			for i := range 5 * blocked {
				s.Send([]byte(inChat(i, 100+i%blocked)))
			}
			time.Sleep(10 * time.Second)
			s.Send([]byte(inChat(10_000, 99)))
			time.Sleep(10 * time.Second)
			if passed := s.Stats().Delivered == 1; passed != want {
				t.Errorf("%d blocked queues: passed %v", blocked, passed)
			}
		})
	}
}

// Of several queues the one that has been due for longest is served first.
func TestEarliestDueFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &pipes{answer: func(n int, _ string) string {
			if n < 2 {
				return failing(503, "Retry-After: 2\r\n")
			}
			time.Sleep(10 * time.Second)
			return failing(503, "Retry-After: 3600\r\n")
		}}
		s := start(t, p, Webhook{}, Options{})
		s.Send([]byte(inChat(1, 1))) // fails, due at 2
		s.Send([]byte(inChat(2, 2))) // fails, due at 2
		time.Sleep(time.Second)
		s.Send([]byte(inChat(3, 3)))  // from 1 to 11
		s.Send([]byte(inChat(4, -4))) // due since 1
		time.Sleep(5 * time.Second)
		s.Send([]byte(inChat(5, -5))) // due since 6
		time.Sleep(time.Minute)
		want := []string{inChat(1, 1), inChat(2, 2), inChat(3, 3), inChat(4, -4), inChat(1, 1), inChat(2, 2), inChat(5, -5)}
		equal(t, "order", p.got(), want)
	})
}

// The queue of a bot is bounded in number and in bytes. What comes on top is lost.
func TestQueueIsFull(t *testing.T) {
	const longest = 512 << 10
	for name, test := range map[string]struct {
		update string
		want   int
	}{
		"number": {inChat(1, 1), 100_000},
		"bytes":  {"{\"update_id\":1,\n" + `"message":{"chat":{"id":1},"text":"` + strings.Repeat("x", longest-37) + `"}}`, 256},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := NewSender(Webhook{}, Options{})
				defer s.Close()
				for range test.want + 3 {
					s.queue(parsed(test.update))
				}
				if stats := s.Stats(); stats.Pending != test.want || stats.Dropped != 3 || stats.TooLong != 0 {
					t.Errorf("got %+v", stats)
				}
				s.confirm(-test.want + 1)
				s.Send([]byte(test.update))
				if stats := s.Stats(); stats.Pending != test.want || stats.Dropped != 3 {
					t.Errorf("with room for one: got %+v", stats)
				}
			})
		})
	}
}

var parses = make(map[string]*update)

// parsed parses an update once.
func parsed(body string) *update {
	if parses[body] == nil {
		parses[body] = parseUpdate([]byte(body))
	}
	u := *parses[body]
	return &u
}
