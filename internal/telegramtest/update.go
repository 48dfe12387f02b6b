package telegramtest

import (
	"bytes"
	"time"

	"github.com/caddy-telegram/telegramwebhook/internal/telegram"
)

// maxUpdate is how long an update may be without its id. Longer ones are dropped.
const maxUpdate = 512 << 10

// update is one that waits for its delivery.
type update struct {
	telegram.Update
	body   []byte
	size   int       // of the body without the id
	since  time.Time // its age counts from here
	expiry time.Duration

	// How it went so far. A registration anew starts over.
	loaded  time.Time // when it was handed to its queue
	tries   int
	retries telegram.Retries
	done    bool // delivered or expired, about to be removed

	// skew is by how much the pauses were longer in the schedule than on the
	// clock, so that a test that shortens them still sees updates expire.
	skew time.Duration
}

// parseUpdate finds out what decides about an update's delivery. What is not an
// update is delivered too: tests send such things to see what the webhook says.
func parseUpdate(body []byte) *update {
	u := &update{Update: telegram.ParseUpdate(string(body)), body: body, size: len(body)}
	if head, rest, ok := bytes.Cut(body, []byte(",\n")); ok && bytes.HasPrefix(head, []byte(`{"update_id":`)) {
		u.size = len(rest) - len("}")
	}
	return u
}

// expired reports whether an update is too old to be tried after a pause.
func (u *update) expired(now time.Time, pause time.Duration) bool {
	return now.Sub(u.since)+u.skew+pause > u.expiry
}
