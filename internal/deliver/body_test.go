package deliver

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/caddy-telegram/telegramwebhook/internal/telegram"
	"github.com/caddy-telegram/telegramwebhook/internal/telegramtest"
)

const longest = 1 << 20

// messageOf returns an update of so many bytes.
func messageOf(size int) []byte {
	short := len(telegramtest.Message(471961782, 5, ""))
	return telegramtest.Message(471961782, 5, strings.Repeat("x", size-short))
}

// TestBody asks for the update before and after the bot reads the body, with and
// without a Content-Length.
func TestBody(t *testing.T) {
	for name, tc := range map[string]struct {
		size    int
		tooLong bool
	}{
		"short":              {2 << 10, false},
		"long":               {100 << 10, false},
		"as long as allowed": {longest, false},
		"too long":           {longest + 1, true},
	} {
		for _, announced := range []bool{true, false} {
			for _, first := range []bool{true, false} {
				content := messageOf(tc.size)
				src := io.NopCloser(iotest.DataErrReader(bytes.NewReader(content)))
				r := &http.Request{Body: src, ContentLength: -1}
				if announced {
					r.ContentLength = int64(tc.size)
				}
				update := read(r, longest)
				if (update == nil) != tc.tooLong {
					t.Errorf("%s: too long: %v", name, update == nil)
				}
				if update == nil {
					continue
				}
				const want = 471961782
				if first && update().ID != want {
					t.Errorf("%s: got the id %d before the bot, want %d", name, update().ID, want)
				}
				if got, err := io.ReadAll(r.Body); err != nil || !bytes.Equal(got, content) {
					t.Errorf("%s: the bot gets %d other bytes, %v", name, len(got), err)
				}
				if update().ID != want {
					t.Errorf("%s: got the id %d after the bot, want %d", name, update().ID, want)
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
	if u := update(); u != (telegram.Update{}) {
		t.Errorf("got %+v, want no update", u)
	}
}

// TestParsedOnce sees that a body is parsed when the update is first asked for, and
// not again.
func TestParsedOnce(t *testing.T) {
	const content = `{"update_id":1,"mess\u0061ge":{}}` // to read the escape takes an allocation
	const runs = 10
	var updates []func() telegram.Update
	for range runs + 1 { // AllocsPerRun has one more
		r := &http.Request{Body: io.NopCloser(strings.NewReader(content)), ContentLength: int64(len(content))}
		updates = append(updates, read(r, longest))
	}
	n := 0
	first := testing.AllocsPerRun(runs, func() { updates[n](); n++ })
	again := testing.AllocsPerRun(runs, func() { updates[0]() })
	if first == 0 || again != 0 {
		t.Errorf("%v allocations at first, %v afterwards", first, again)
	}
}
