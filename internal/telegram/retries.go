package telegram

import (
	"time"
)

// maxPause bounds the growth of the pauses: from then on, the pause is a random time between
// maxPause and twice as much.
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
