package telegramtest

import (
	"net"
	"net/http"
	"time"

	"github.com/caddy-telegram/telegramwebhook/internal/telegram"
)

// Options say how a Sender keeps time and reaches the webhook. The zero value
// behaves as Telegram does.
type Options struct {
	// After is the clock of the retry schedule and of the pauses between new
	// connections. Default time.After. With a faster one an update still expires
	// by the schedule's time.
	After func(time.Duration) <-chan time.Time

	// Now dates errors and measures an update's age. Default time.Now.
	Now func() time.Time

	// Dial opens the raw connection; network is "tcp4". Default a net.Dialer.
	Dial telegram.Dial

	// OnAttempt is told about each attempt after it ended and before what
	// follows from it: the next try, or the next update of the queue. It is
	// called from many goroutines and must not call Close.
	OnAttempt func(Attempt)

	// ReadTimeout is how long an attempt may take, from the connection to the whole
	// answer. Default 60 s.
	ReadTimeout time.Duration

	// IdleTimeout is when a connection that is not used is closed. Default 60 s.
	IdleTimeout time.Duration

	// Expiry is how long an update of a type is tried, counted from its own date
	// if it has one. Default 24 h, 30 s for inline queries, 10 min for chosen inline
	// results, 150 s for callback, shipping and pre-checkout queries.
	Expiry func(kind string) time.Duration

	// Seed chooses the random pauses of 60 to 120 s.
	Seed uint64
}

func (o Options) withDefaults() Options {
	if o.After == nil {
		o.After = time.After
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Dial == nil {
		o.Dial = new(net.Dialer).DialContext
	}
	if o.OnAttempt == nil {
		o.OnAttempt = func(Attempt) {}
	}
	if o.ReadTimeout == 0 {
		o.ReadTimeout = telegram.Timeout
	}
	if o.IdleTimeout == 0 {
		o.IdleTimeout = time.Minute
	}
	if o.Expiry == nil {
		o.Expiry = telegram.Expiry
	}
	return o
}

// Attempt is one try to deliver an update.
type Attempt struct {
	UpdateID int64
	Try      int    // 1 for the first since the webhook was registered
	Conn     uint64 // number of the connection, in order of opening

	Status int // 0 when there was no answer that could be read
	Reason string
	Header http.Header
	Body   []byte // decoded, the first 1 MiB

	// Err is why there is no Status, or what was wrong with the answer.
	Err error

	Pause     time.Duration // until the next try; 0 is at once
	Delivered bool
	Expired   bool        // given up, there is no next try
	Call      *MethodCall // what the answer asked Telegram to do, if anything
}

// final reports whether the update is not tried again.
func (a Attempt) final() bool { return a.Delivered || a.Expired }

// Stats is what a Sender has done since it was made.
type Stats struct {
	Delivered   int
	Failed      int // attempts that did not deliver
	Expired     int
	TooLong     int // updates over Telegram's limit, dropped unseen
	Dropped     int // updates for which the queue had no room
	Pending     int // queued or under way
	Connections int // opened
	Calls       int // Bot API calls in answers

	// LastError and its date stay after later successes, until the webhook is
	// set again.
	LastError     string
	LastErrorDate time.Time

	// Gone says that Telegram removed the webhook after 23 h of 410.
	Gone bool
}
