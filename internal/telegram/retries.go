package telegram

import (
	"time"

	"github.com/tidwall/gjson"
)

// Expiry returns how long Telegram tries to deliver an update of a type.
func Expiry(kind string) time.Duration {
	switch kind {
	case "inline_query":
		return 30 * time.Second
	case "callback_query", "shipping_query", "pre_checkout_query":
		return 150 * time.Second
	case "chosen_inline_result":
		return 10 * time.Minute
	}
	return 24 * time.Hour
}

// Since returns from when on an update's age counts that has arrived at that time. A
// date in the future is that of another clock.
func (u Update) Since(arrival time.Time) time.Time {
	if !u.Date.IsZero() && u.Date.Before(arrival) {
		return u.Date
	}
	return arrival
}

// dateOf returns the date from which an update's age counts. It is zero for the
// types whose age counts from their arrival.
func dateOf(kind string, content gjson.Result) time.Time {
	path := ""
	switch kind {
	case "message", "edited_message", "channel_post", "edited_channel_post",
		"business_message", "edited_business_message", "guest_message":
		path = "date"
		if content.Get("edit_date").Int() != 0 {
			path = "edit_date"
		}
	case "my_chat_member", "chat_member", "chat_join_request", "message_reaction", "message_reaction_count":
		path = "date"
	case "chat_boost":
		path = "boost.add_date"
	case "removed_chat_boost":
		path = "remove_date"
	}
	date := content.Get(path).Int()
	if date == 0 {
		return time.Time{}
	}
	return time.Unix(date, 0)
}

// maxPause is from where on the pauses do not grow: the pause is a random time
// between this and twice as much.
const maxPause = time.Minute

// Retries are the failed tries to deliver one update. The zero value is none.
type Retries struct {
	fails int
	pause time.Duration // the last one of the schedule
}

// Failed returns the pause after another failed try: none after the first, then twice as
// long each time. Retry-After, if it is not 0, replaces the pause and does not let it
// grow, but it counts as a failed try. random returns a number below n.
func (r *Retries) Failed(retryAfter time.Duration, random func(n int) int) time.Duration {
	r.fails++
	switch {
	case retryAfter > 0:
		return retryAfter
	case r.fails == 1:
		return 0
	}
	longest := maxPause + time.Duration(random(int(maxPause/time.Second)+1))*time.Second
	r.pause = min(longest, 2*max(r.pause, time.Second))
	return r.pause
}

// Any reports whether a try has failed.
func (r *Retries) Any() bool { return r.fails > 0 }
