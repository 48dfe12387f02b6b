package placeholder

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/caddy-telegram/telegramwebhook/internal/telegramtest"
)

const longest = 1 << 20

// message is an update that is so many bytes long.
func message(size int) []byte {
	short := len(telegramtest.Message(471961782, 5, ""))
	return telegramtest.Message(471961782, 5, strings.Repeat("x", size-short))
}

func wantUpdate(t *testing.T, b *Body, want string) {
	t.Helper()
	if got := b.Update(); got.ID.String() != want {
		t.Errorf("the update_id is %q, want %q", got.ID, want)
	}
}

// read reads a body to its end, as the proxy does.
func read(t *testing.T, b *Body) string {
	t.Helper()
	content, err := io.ReadAll(b)
	if err != nil {
		t.Error(err)
	}
	return string(content)
}

func TestAsked(t *testing.T) {
	const id = "471961782"
	for name, tc := range map[string]struct {
		size          int
		before, after string // what those learn who ask then
	}{
		"short":              {size: 2 << 10, before: id, after: id},
		"just short":         {size: maxKept, before: id, after: id},
		"long":               {size: maxKept + 1, before: id, after: ""},
		"as long as allowed": {size: longest, before: id, after: ""},
		"too long":           {size: longest + 1},
	} {
		body := message(tc.size)
		for _, length := range []int64{int64(tc.size), -1} {
			if length > longest {
				continue // was refused by its announced length
			}
			open := func() *Body { return newBody(io.NopCloser(bytes.NewReader(body)), length, longest) }
			t.Run(name+" before", func(t *testing.T) {
				b := open()
				wantUpdate(t, b, tc.before)
				if read(t, b) != string(body) {
					t.Error("the bot gets something else")
				}
				wantUpdate(t, b, tc.before)
				if b.kept != nil {
					t.Errorf("%d bytes are held that nobody needs", len(b.kept))
				}
			})
			t.Run(name+" after", func(t *testing.T) {
				b := open()
				if read(t, b) != string(body) {
					t.Error("the bot gets something else")
				}
				if len(b.kept) > maxKept {
					t.Errorf("%d bytes are kept, want at most %d", len(b.kept), maxKept)
				}
				wantUpdate(t, b, tc.after)
				_ = b.Close()
				wantUpdate(t, b, tc.after)
				if b.kept != nil {
					t.Errorf("%d bytes are held that nobody needs", len(b.kept))
				}
			})
		}
	}
}

// TestAskedInBetween asks when a part is with the bot already, and again when all
// is. A body that was closed early is not read any more.
func TestAskedInBetween(t *testing.T) {
	body := message(2 << 10)
	b := newBody(io.NopCloser(bytes.NewReader(body)), -1, longest)
	if _, err := io.CopyN(io.Discard, b, 100); err != nil {
		t.Fatal(err)
	}
	wantUpdate(t, b, "")
	read(t, b)
	wantUpdate(t, b, "471961782")

	unread := &readRecorder{Reader: bytes.NewReader(body)}
	b = newBody(unread, int64(len(body)), longest)
	_ = b.Close()
	wantUpdate(t, b, "")
	if unread.n > 0 || !unread.closed {
		t.Errorf("of a closed body %d bytes were read; closed: %v", unread.n, unread.closed)
	}
}

type readRecorder struct {
	io.Reader
	n      int
	closed bool
}

func (r *readRecorder) Read(p []byte) (int, error) {
	n, err := r.Reader.Read(p)
	r.n += n
	return n, err
}

func (r *readRecorder) Close() error {
	r.closed = true
	return nil
}

// TestNobodyAsks passes each byte on as it comes, with none read ahead.
func TestNobodyAsks(t *testing.T) {
	for _, length := range []int64{3 << 10, longest, -1} {
		src := &readRecorder{Reader: bytes.NewReader(message(3 << 10))}
		b := newBody(src, length, longest)
		if src.n != 0 {
			t.Errorf("%d bytes are read before anybody wants them", src.n)
		}
		one := make([]byte, 1)
		for i := range 1000 {
			if _, err := b.Read(one); err != nil || src.n != i+1 {
				t.Fatalf("%d bytes are read for %d, %v", src.n, i+1, err)
			}
			if length > maxKept && b.kept != nil {
				t.Fatal("a long body is kept")
			}
		}
	}
}

// TestAskedWhileItWaits asks while the bot waits for bytes that do not come: the
// answer does not wait for them.
func TestAskedWhileItWaits(t *testing.T) {
	r, w := io.Pipe()
	b := newBody(r, 1000, longest)
	done := make(chan error)
	go func() {
		_, err := io.ReadAll(b)
		done <- err
	}()
	if _, err := w.Write([]byte(`{"update_id":`)); err != nil {
		t.Fatal(err)
	}
	for range 100 {
		wantUpdate(t, b, "")
	}
	_ = w.CloseWithError(io.ErrUnexpectedEOF)
	if err := <-done; !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("the bot gets %v", err)
	}
	wantUpdate(t, b, "")
}

// TestBodyThatBreaksOff gives the bot what came and the error, asked or not.
func TestBodyThatBreaksOff(t *testing.T) {
	broken := errors.New("broken")
	for _, asked := range []bool{true, false} {
		src := io.MultiReader(strings.NewReader(`{"update_id":1}`), &errOnce{err: broken})
		b := newBody(io.NopCloser(src), -1, longest)
		if asked {
			wantUpdate(t, b, "")
		}
		content, err := io.ReadAll(b)
		if string(content) != `{"update_id":1}` || !errors.Is(err, broken) {
			t.Errorf("asked: %v: the bot gets %q and %v", asked, content, err)
		}
		if _, err := b.Read(make([]byte, 1)); !errors.Is(err, broken) {
			t.Errorf("asked: %v: the bot gets %v, and then %v", asked, broken, err)
		}
		wantUpdate(t, b, "")
	}
}

// errOnce is a reader that seems to be well again after an error.
type errOnce struct{ err error }

func (e *errOnce) Read([]byte) (int, error) {
	err := e.err
	e.err = io.EOF
	return 0, err
}

// TestAnyOrder asks and reads at random. The bot gets every byte, and whoever
// asks is told the truth or nothing.
func TestAnyOrder(t *testing.T) {
	for seed := range uint64(200) {
		random := rand.New(rand.NewPCG(seed, 0))
		body := message(random.IntN(2*maxKept) + 2000)
		length := int64(len(body))
		if random.IntN(2) == 0 {
			length = -1
		}
		var src io.Reader = bytes.NewReader(body)
		if random.IntN(2) == 0 {
			src = iotest.DataErrReader(src) // the end together with the last bytes
		}
		b := newBody(io.NopCloser(src), length, longest)
		var got []byte
		chunk := make([]byte, random.IntN(20<<10)+100)
		for {
			if random.IntN(5) == 0 {
				if id := b.Update().ID; id.Valid && id.Int64 != 471961782 {
					t.Fatalf("seed %d: the update_id is %s", seed, id)
				}
			}
			n, err := b.Read(chunk)
			got = append(got, chunk[:n]...)
			if err == io.EOF {
				break
			} else if err != nil {
				t.Fatalf("seed %d: %v", seed, err)
			}
		}
		if !bytes.Equal(got, body) {
			t.Fatalf("seed %d: the bot gets something else", seed)
		}
	}
}
