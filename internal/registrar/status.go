package registrar

import (
	"fmt"
	"time"

	"github.com/caddy-telegram/telegramwebhook/internal/botapi"
)

// State is how a registration stands.
type State string

// The states of a registration.
const (
	Pending    State = "pending"    // no attempt has ended yet
	Registered State = "registered" // Telegram has what is wanted
	Failing    State = "failing"    // the last attempt failed; it is tried again
	Contested  State = "contested"  // somebody else registers the same bot
	Superseded State = "superseded" // another configuration has taken over
	Deleted    State = "deleted"    // a person has deleted the webhook, and it stays deleted until a person registers it
)

// Status is what is known of a registration.
type Status struct {
	State  State
	Since  time.Time
	Detail string             // what is wrong, if anything
	Remedy string             // what a person can do about it
	Result string             // of setWebhook in this attempt; empty if it was not called
	Info   botapi.WebhookInfo // Telegram's last answer to getWebhookInfo
	InfoAt time.Time          // when that was

	// What is registered, by whom and when, as all nodes know it.
	URL          string
	RegisteredBy string
	RegisteredAt time.Time

	found      string // in the place of a contested webhook
	freshError bool   // Telegram has met an error that no node has reported yet
}

// setInfo records Telegram's answer, for this node and all others.
func (s *Status) setInfo(info botapi.WebhookInfo, rec *record) {
	s.Info, s.InfoAt = info, time.Now()
	rec.Told, rec.ToldAt = &info, s.InfoAt
}

// enter sets the state, and describes what has led to it.
func (s *Status) enter(state State, rec *record) {
	s.State = state
	switch {
	case state == Contested:
		s.found = rec.Contested
		s.Detail = "somebody else registers this bot with " + s.found
	case state == Superseded && rec.Deleted:
		s.Detail = fmt.Sprintf("node %s, which has another configuration, has deleted the webhook on demand", rec.Process)
	case state == Superseded:
		s.Detail = fmt.Sprintf("node %s has registered another configuration, with %s", rec.Process, rec.URL)
	}
}
