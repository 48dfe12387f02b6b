package telegramtest

import "time"

// expiryOf is how long Telegram tries to deliver an update of a type.
func expiryOf(kind string) time.Duration {
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

// date returns the date from which an update's age counts. It is zero for the
// types whose age counts from their arrival.
func (c *content) date(kind string) time.Time {
	var date int64
	switch kind {
	case "message", "edited_message", "channel_post", "edited_channel_post",
		"business_message", "edited_business_message", "guest_message":
		date = c.Date
		if c.EditDate != 0 {
			date = c.EditDate
		}
	case "my_chat_member", "chat_member", "chat_join_request", "message_reaction", "message_reaction_count":
		date = c.Date
	case "chat_boost":
		date = c.Boost.AddDate
	case "removed_chat_boost":
		date = c.RemoveDate
	}
	if date == 0 {
		return time.Time{}
	}
	return time.Unix(date, 0)
}

// expired reports whether an update is too old to be tried after a pause.
func (u *update) expired(now time.Time, pause time.Duration) bool {
	return now.Sub(u.since)+u.skew+pause > u.expiry
}
