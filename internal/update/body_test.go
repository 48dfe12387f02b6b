package update

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/caddy-telegram/telegramwebhook/internal/telegramtest"
)

const longest = 1 << 20

// messageOf returns an update of so many bytes.
func messageOf(size int) []byte {
	short := len(telegramtest.Message(471961782, 5, ""))
	return telegramtest.Message(471961782, 5, strings.Repeat("x", size-short))
}

// closeRecorder is a body that knows whether it was closed.
type closeRecorder struct {
	io.Reader
	closed bool
}

func (c *closeRecorder) Close() error {
	c.closed = true
	return nil
}

// TestBody asks for the update before and after the bot reads the body, with and
// without a Content-Length.
func TestBody(t *testing.T) {
	for name, tc := range map[string]struct {
		size int
		want int64
	}{
		"short":              {2 << 10, 471961782},
		"long":               {100 << 10, 471961782},
		"as long as allowed": {longest, 471961782},
		"too long":           {longest + 100, 0},
	} {
		for _, announced := range []bool{true, false} {
			for _, first := range []bool{true, false} {
				content := messageOf(tc.size)
				src := &closeRecorder{Reader: iotest.DataErrReader(bytes.NewReader(content))}
				r := &http.Request{Body: src, ContentLength: -1}
				if announced {
					r.ContentLength = int64(tc.size)
				}
				update := read(r, longest)
				if first && update().ID != tc.want {
					t.Errorf("%s: got the id %d before the bot, want %d", name, update().ID, tc.want)
				}
				if got, err := io.ReadAll(r.Body); err != nil || !bytes.Equal(got, content) {
					t.Errorf("%s: the bot gets %d other bytes, %v", name, len(got), err)
				}
				if err := r.Body.Close(); err != nil || !src.closed {
					t.Errorf("%s: closed: %v, %v", name, src.closed, err)
				}
				if update().ID != tc.want {
					t.Errorf("%s: got the id %d after the bot, want %d", name, update().ID, tc.want)
				}
			}
		}
	}
}

// TestBodyThatBreaksOff gives the bot the bytes that came, and the error.
func TestBodyThatBreaksOff(t *testing.T) {
	const content = `{"update_id":1}`
	src := iotest.TimeoutReader(strings.NewReader(content)) // fails once
	r := &http.Request{Body: io.NopCloser(src), ContentLength: 100}
	update := read(r, longest)
	got, err := io.ReadAll(r.Body)
	if string(got) != content || !errors.Is(err, iotest.ErrTimeout) {
		t.Errorf("the bot gets %q, %v", got, err)
	}
	if _, err := r.Body.Read(make([]byte, 1)); !errors.Is(err, iotest.ErrTimeout) {
		t.Errorf("and then %v", err)
	}
	if u := update(); u != (Update{}) {
		t.Errorf("got %+v, want no update", u)
	}
}

// TestUnusedUpdate sees that nothing is parsed for a bot without placeholders.
func TestUnusedUpdate(t *testing.T) {
	content := messageOf(2 << 10)
	allocs := func(use func(func() Update)) float64 {
		return testing.AllocsPerRun(10, func() {
			r := &http.Request{Body: io.NopCloser(bytes.NewReader(content)), ContentLength: int64(len(content))}
			use(read(r, longest))
		})
	}
	unused := allocs(func(func() Update) {})
	once := allocs(func(update func() Update) { update() })
	twice := allocs(func(update func() Update) { update(); update() })
	if unused >= once || twice != once {
		t.Errorf("%v allocations without a use, %v with one, %v with two", unused, once, twice)
	}
}
