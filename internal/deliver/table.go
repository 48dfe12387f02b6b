package deliver

import (
	"cmp"
	"context"
	"sync"
	"time"
)

const (
	// DefaultCount is the default number of remembered updates. Telegram sends an update again after at most two
	// minutes. In that time, a bot gets this many other updates only at 80 a second.
	DefaultCount = 10_000

	// MaxCount updates take at most 75 MB, not counting the answers.
	MaxCount = 1_000_000
)

// Table holds the known updates of one bot: those in progress, and the last ones that the bot has answered with 2xx.
type Table struct {
	closing context.Context // ends with the process
	close   context.CancelFunc

	mu       sync.Mutex
	inFlight map[int64]bool
	newer    map[int64]*answer // the last answers
	older    map[int64]*answer // the answers before those
	size     int               // total size of the newer answers, in bytes
}

// given stands for an answer that was sent again, and bare for an answer without a body.
var given, bare = new(answer), new(answer)

// NewTable returns an empty table.
func NewTable() *Table {
	t := &Table{inFlight: make(map[int64]bool), newer: make(map[int64]*answer)}
	t.closing, t.close = context.WithCancel(context.Background())
	return t
}

// Close cancels every update whose connection Telegram has closed or closes later:
// Telegram does not contact this process again.
func (t *Table) Close() { t.close() }

// begin looks up an update. It returns the answer to send again, or an error if there is none; if both are nil, the bot
// gets the update. An answer is sent again only once: if Telegram cannot read it, Telegram would ask for it for ever.
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

// end records an update that the bot has taken. It forgets the older half of the records if there are too many, or if
// their answers are longer than 1 KiB on average. Telegram may send an update again that the bot has not taken.
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

// abandon cancels an update whose connection Telegram has closed, after patience or with
// the process, unless ctx ends first. Telegram sends a bot at most 200 updates at a time.
func (t *Table) abandon(ctx context.Context, cancel context.CancelCauseFunc) {
	select {
	case <-ctx.Done():
	case <-time.After(patience):
		cancel(errTooLong)
	case <-t.closing.Done():
		cancel(errClosing)
	}
}
