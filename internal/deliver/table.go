package deliver

import (
	"cmp"
	"context"
	"sync"
	"time"
)

const (
	// DefaultCount is how many updates are remembered by default. Telegram sends
	// an update again after at most two minutes, and in that time a bot gets fewer
	// others: this many only at 80 a second.
	DefaultCount = 10_000

	// MaxCount takes at most 75 MB, not counting the answers.
	MaxCount = 1_000_000
)

// Table is what is known of one bot's updates: those that the bot works on, and the
// last ones that it has answered with 2xx.
type Table struct {
	closing context.Context // ends with the process
	close   context.CancelFunc

	mu       sync.Mutex
	inFlight map[int64]bool
	newer    map[int64]*answer // the last answers
	older    map[int64]*answer // those before them
	size     int               // of the newer answers, in bytes
}

// given stands for an answer that was given again, and bare for one without a method.
var given, bare = new(answer), new(answer)

// NewTable makes an empty table.
func NewTable() *Table {
	t := &Table{inFlight: make(map[int64]bool), newer: make(map[int64]*answer)}
	t.closing, t.close = context.WithCancel(context.Background())
	return t
}

// Close cancels what Telegram has hung up on, now and from now on: Telegram does not
// come to this process again.
func (t *Table) Close() { t.close() }

// begin finds out what is known of an update. It returns the answer to give, or an
// error if there is none; without either, the bot gets the update. An answer is given
// again once: it would come back for ever if Telegram cannot read it.
func (t *Table) begin(id int64) (*answer, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	known := cmp.Or(t.newer[id], t.older[id])
	switch {
	case known == given:
		return nil, errRepeated
	case known != nil:
		t.newer[id] = given
		return known, nil
	case t.inFlight[id]:
		return nil, errInFlight
	}
	t.inFlight[id] = true
	return nil, nil
}

// end remembers an update that the bot has taken, and forgets the older half of the
// others when there are too many or their answers are too long: longer than 1 KiB
// each. An update that the bot has not taken may be sent again.
func (t *Table) end(o *Once, a *answer, taken bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.inFlight, o.ID)
	if !taken {
		return
	}
	if len(t.newer) >= o.Count || t.size+cap(a.body) > max(maxAnswer, o.Count<<10) {
		t.newer, t.older, t.size = make(map[int64]*answer), t.newer, 0
	}
	if len(a.body) == 0 {
		a = bare
	}
	t.newer[o.ID] = a
	t.size += cap(a.body)
}

// abandon lets the bot go on with an update that Telegram has hung up on, until ctx
// ends, but not for ever. Telegram has at most 200 updates under way for each bot.
func (t *Table) abandon(ctx context.Context, cancel context.CancelCauseFunc) {
	select {
	case <-ctx.Done():
	case <-time.After(patience):
		cancel(errTooLong)
	case <-t.closing.Done():
		cancel(errClosing)
	}
}
