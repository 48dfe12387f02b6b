package deliver

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

// patience is how long the bot may work on after Telegram has closed the connection.
const patience = 10 * time.Minute

var (
	errInFlight = errors.New("the bot still works on this update, which Telegram has sent before")
	errRepeated = errors.New("the bot has answered this update and the answer was sent twice; perhaps Telegram cannot read it")

	errTooLong = fmt.Errorf("the bot has not answered within %s after that: %w", patience, context.Canceled)
	errClosing = fmt.Errorf("shutdown of Caddy: %w", context.Canceled)
)

// Once describes an update that the bot must receive only once.
type Once struct {
	Table *Table
	ID    int64
	Count int // the number of updates to remember
}

// deliver passes the update to next, unless the bot has answered it with 2xx or is still working on it.
//
// The bot keeps working when Telegram closes the connection. Telegram sends the update
// again, has to wait while the bot works, and then gets the answer. r gets a new context.
func (o *Once) deliver(w *writer, r *http.Request, next caddyhttp.Handler) error {
	if o == nil {
		return next.ServeHTTP(w, r)
	}
	known, err := o.Table.begin(o.ID)
	if err != nil {
		return err
	}
	if known != nil {
		known.writeTo(w)
		return nil
	}
	w.client, w.answer = r.Context(), new(answer)
	taken := false // stays false if next panics
	defer func() { o.Table.end(o, w.answer, taken) }()

	ctx, cancel := context.WithCancelCause(context.WithoutCancel(w.client))
	defer cancel(nil)
	defer context.AfterFunc(w.client, func() { o.Table.abandon(ctx, cancel) })()

	// Caddy's placeholders refer to this request, so it is changed in place. Its old
	// context is not restored: a transport may still read the request.
	*r = *r.WithContext(ctx)
	err = next.ServeHTTP(w, r)
	taken = err == nil && w.answer.taken()
	if cause := context.Cause(ctx); cause != nil && !taken {
		err = cause
	}
	return err
}

// answer is the part of a bot's answer that Telegram reads.
type answer struct {
	status                       int
	contentType, contentEncoding string
	body                         []byte
}

// maxAnswer is the longest body that is kept. A message has at most 4,096 characters,
// which take 48 KiB if each is escaped.
const maxAnswer = 64 << 10

// taken reports whether Telegram considers the update delivered.
func (a *answer) taken() bool { return 200 <= a.status && a.status <= 299 }

// add appends to the body, or drops the body if it gets too long. It also drops a body
// without a content type: Telegram does not read one.
func (a *answer) add(b []byte) {
	if a.contentType == "" || len(a.body)+len(b) > maxAnswer {
		a.contentType, a.body = "", nil
		return
	}
	a.body = append(a.body, b...)
}

// writeTo sends the answer to w.
func (a *answer) writeTo(w http.ResponseWriter) {
	if a.contentType != "" {
		w.Header().Set("Content-Type", a.contentType)
		if a.contentEncoding != "" {
			w.Header().Set("Content-Encoding", a.contentEncoding)
		}
	}
	w.WriteHeader(http.StatusOK)
	_, _ = w.Write(a.body)
}

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
