package deliver

import (
	"fmt"
	"sync"
	"time"
)

const (
	// DefaultCount is how many updates are remembered by default. Telegram sends
	// an update again after at most two minutes, and in that time a bot gets fewer
	// others: this many only at 80 a second.
	DefaultCount = 10_000

	// MaxCount is about 60 MB, not counting the answers.
	MaxCount = 1_000_000
)

// CheckCount checks how many updates are to be remembered.
func CheckCount(n int) error {
	if n < 1 || n > MaxCount {
		return fmt.Errorf("%d is not a number of updates from 1 to %d", n, MaxCount)
	}
	return nil
}

// Table is what is known of one bot's updates: those that are under way, and the
// last ones that the bot has taken. The zero value is empty.
type Table struct {
	mu      sync.Mutex
	flights map[int64]*flight
	taken   map[int64]*reply

	order []int64 // the ids in taken, the oldest first, from head on
	head  int
	bare  int // those before this one have no body any more
	bytes int // of all bodies

	abandoned int // flights that nobody may be waiting for
	closing   bool
}

// flight is an update that the bot has, and has not answered.
type flight struct {
	id        int64
	cancel    func(cause error)
	abandoned *time.Timer // ends it; nil while Telegram waits for it

	done  chan struct{}
	reply *reply // once done
}

// begin finds out what is known of an update. It returns the answer, or the
// flight to wait for, or a new flight, that is the caller's to end.
func (t *Table) begin(id int64) (known *reply, f *flight, first bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if known := t.taken[id]; known != nil {
		return known, nil, false
	}
	if f := t.flights[id]; f != nil {
		return nil, f, false
	}
	if t.flights == nil {
		t.flights, t.taken = make(map[int64]*flight), make(map[int64]*reply)
	}
	f = &flight{id: id, done: make(chan struct{})}
	t.flights[id] = f
	return nil, f, true
}

// end tells those who wait for the flight what came of it. An update that the
// bot has taken is remembered, with so many others; any other may be sent again.
func (t *Table) end(f *flight, r *reply, count int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.flights, f.id)
	if f.abandoned != nil {
		f.abandoned.Stop()
		t.abandoned--
	}
	if r.taken() {
		t.remember(f.id, r.remembered(), count)
	}
	f.reply = r
	close(f.done)
}

// remember puts an update at the end of the order, and forgets the oldest ones.
func (t *Table) remember(id int64, r *reply, count int) {
	t.taken[id] = r
	t.order = append(t.order, id)
	t.bytes += len(r.body)
	for len(t.order)-t.head > count {
		oldest := t.order[t.head]
		t.bytes -= len(t.taken[oldest].body)
		delete(t.taken, oldest)
		t.head++
	}
	t.bare = max(t.bare, t.head)
	for t.bytes > bodiesFor(count) {
		t.bytes -= len(t.taken[t.order[t.bare]].body)
		t.taken[t.order[t.bare]] = bareReply
		t.bare++
	}
	if t.head > count {
		t.order = t.order[:copy(t.order, t.order[t.head:])]
		t.bare -= t.head
		t.head = 0
	}
}

// bodiesFor is how many bytes the answers to so many updates may have together:
// 1 KiB each, which is a long message, and room for a single one of the longest.
// The oldest are then remembered without their bodies.
func bodiesFor(count int) int { return maxBody + count<<10 }

const (
	// maxAbandoned is how many updates a bot may work on although Telegram has
	// hung up. Telegram tries twice as many at once as it opens connections, of
	// which there are at most 100.
	maxAbandoned = 200

	// patience is how long it may take for one of them.
	patience = 10 * time.Minute
)

// abandon lets the bot go on with an update although Telegram has hung up: it
// will ask again. What is too much is canceled, as it is without a Table.
func (t *Table) abandon(f *flight) {
	t.mu.Lock()
	defer t.mu.Unlock()
	switch {
	case f.reply != nil:
	case t.closing:
		f.cancel(errClosing)
	case t.abandoned == maxAbandoned:
		f.cancel(errTooMany)
	default:
		t.abandoned++
		f.abandoned = time.AfterFunc(patience, func() { f.cancel(errTooLong) })
	}
}

// Close cancels what Telegram has hung up on, now and from now on: a process
// that ends will not be asked again.
func (t *Table) Close() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.closing = true
	for _, f := range t.flights {
		if f.abandoned != nil {
			f.cancel(errClosing)
		}
	}
}
