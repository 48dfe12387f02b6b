package placeholder

import (
	"bytes"
	"errors"
	"io"
	"sync"

	"github.com/caddy-telegram/telegramwebhook/internal/update"
)

// maxKept is how long a body may be to be kept while it is passed on, for those
// who ask afterwards, as log_append does. Few updates have more than 4 KiB.
const maxKept = 64 << 10

// Body is a request's body that can be asked what update it is. Whoever asks
// before the first byte was read has it read to its end, and those who read get
// the same bytes from memory. Otherwise the bytes pass through, and a short body
// is kept, so that it can still be asked when it is through.
type Body struct {
	src     io.ReadCloser
	length  int64 // as announced; negative if it was not
	longest int64

	mu    sync.Mutex
	begun bool   // somebody has read, or closed
	kept  []byte // from the first byte on, unless it was dropped
	at    int    // how much of kept has been passed on
	drop  bool   // nobody needs what was passed on
	end   error  // with which src has ended

	parsed bool
	update update.Update
}

func newBody(src io.ReadCloser, length, longest int64) *Body {
	return &Body{src: src, length: length, longest: longest, drop: length > maxKept}
}

// Update is what the body says of itself. It is empty for what is no update, is
// too long or broke off, and for a long body that was passed on before anybody
// asked.
func (b *Body) Update() update.Update {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.parsed {
		return b.update
	}
	if !b.begun {
		b.readAll()
		b.parsed = true
	}
	if b.whole() {
		b.parsed = true
		b.update, _ = update.Parse(b.kept)
	}
	if b.parsed {
		b.release()
	}
	return b.update
}

// readAll reads src to its end, or as far as it may be long.
func (b *Body) readAll() {
	size := int64(4 << 10)
	if b.length >= 0 {
		size = min(b.length, b.longest) + bytes.MinRead
	}
	buf := bytes.NewBuffer(make([]byte, 0, size))
	n, err := buf.ReadFrom(io.LimitReader(b.src, b.longest+1))
	b.kept, b.drop = buf.Bytes(), false
	switch {
	case err != nil:
		b.end = err
	case n <= b.longest:
		b.end = io.EOF
	}
}

// whole reports whether kept is all of the body.
func (b *Body) whole() bool {
	return !b.drop && (errors.Is(b.end, io.EOF) || b.length >= 0 && int64(len(b.kept)) == b.length)
}

// release lets go of what has been both parsed and passed on.
func (b *Body) release() {
	b.drop = true
	if b.at == len(b.kept) {
		b.kept, b.at = nil, 0
	}
}

// Read passes on what was read ahead, and then what comes. Nothing waits here for
// somebody who asks: whoever asks in the midst of a read is told nothing.
func (b *Body) Read(p []byte) (int, error) {
	b.mu.Lock()
	b.begun = true
	if b.at < len(b.kept) {
		n := copy(p, b.kept[b.at:])
		b.at += n
		if b.drop {
			b.release()
		}
		b.mu.Unlock()
		return n, nil
	}
	if end := b.end; end != nil {
		b.mu.Unlock()
		return 0, end
	}
	b.mu.Unlock()

	n, err := b.src.Read(p)

	b.mu.Lock()
	b.passed(p[:n], err)
	b.mu.Unlock()
	return n, err
}

// passed takes note of what was just read of src.
func (b *Body) passed(p []byte, err error) {
	b.end = err
	if b.drop {
		return
	}
	if len(b.kept)+len(p) > maxKept {
		b.kept, b.at, b.drop = nil, 0, true
		return
	}
	if b.kept == nil && b.length > 0 {
		b.kept = make([]byte, 0, b.length)
	}
	b.kept = append(b.kept, p...)
	b.at = len(b.kept)
}

// Close ends the reading. What is kept can still be asked.
func (b *Body) Close() error {
	b.mu.Lock()
	b.begun = true
	b.mu.Unlock()
	return b.src.Close()
}

// Interface guard
var _ io.ReadCloser = (*Body)(nil)
