package deliver

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

const methodBody = "{\"method\":\"sendMessage\",\n \"text\":\"\\u043f\"}"

// bot answers what each test says, and counts.
type bot struct {
	answer func(n int64, w http.ResponseWriter, r *http.Request) error
	calls  atomic.Int64
}

func (b *bot) ServeHTTP(w http.ResponseWriter, r *http.Request) error {
	return b.answer(b.calls.Add(1), w, r)
}

// says is a bot that gives the same answer always.
func says(status int, contentType, body string) *bot {
	return &bot{answer: func(_ int64, w http.ResponseWriter, _ *http.Request) error {
		w.Header().Set("Content-Type", contentType)
		w.Header().Set("Retry-After", "7")
		w.Header().Set("X-Other", "of the first answer")
		w.WriteHeader(http.StatusEarlyHints)
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body[:len(body)/2])
		_, err := io.WriteString(w, body[len(body)/2:])
		return err
	}}
}

func (b *bot) wantCalls(t *testing.T, want int64) {
	t.Helper()
	if n := b.calls.Load(); n != want {
		t.Errorf("the bot has got it %d times, want %d", n, want)
	}
}

const someID, someCount = 471961782, 100

// send delivers an update with that context.
func send(ctx context.Context, table *Table, b caddyhttp.Handler, id int64) (*httptest.ResponseRecorder, error) {
	w := httptest.NewRecorder()
	r := httptest.NewRequestWithContext(ctx, http.MethodPost, "/", nil)
	return w, table.Deliver(w, r, b, id, someCount)
}

// TestAgain sends an update again after each kind of answer.
func TestAgain(t *testing.T) {
	for name, tc := range map[string]struct {
		bot        *bot
		wantStatus int
		wantBody   string
		again      bool // goes to the bot
	}{
		"a method":              {says(200, "application/json", methodBody), 200, methodBody, false},
		"nothing":               {says(200, "", ""), 200, "", false},
		"201 is a 2xx":          {says(201, "application/json", methodBody), 200, methodBody, false},
		"204 is a 2xx":          {says(204, "", ""), 200, "", false},
		"299 is a 2xx":          {says(299, "", ""), 200, "", false},
		"as long as may be":     {says(200, "application/json", strings.Repeat("x", maxBody)), 200, strings.Repeat("x", maxBody), false},
		"too long":              {says(200, "application/json", strings.Repeat("x", maxBody+1)), 200, "", false},
		"300 is none":           {says(300, "", ""), 300, "", true},
		"500 is none":           {says(500, "text/plain", "page"), 500, "page", true},
		"410 is none":           {says(410, "text/plain", "page"), 410, "page", true},
		"a status that is none": {says(99, "", ""), 99, "", true},
	} {
		t.Run(name, func(t *testing.T) {
			table := new(Table)
			first := new(unchecked)
			r := httptest.NewRequest(http.MethodPost, "/", nil)
			if err := table.Deliver(first, r.Clone(t.Context()), tc.bot, someID, someCount); err != nil {
				t.Fatal(err)
			}
			again := new(unchecked)
			if err := table.Deliver(again, r, tc.bot, someID, someCount); err != nil {
				t.Fatal(err)
			}
			if again.status != tc.wantStatus || again.body.String() != tc.wantBody {
				t.Errorf("again: got %d %.100q, want %d %.100q", again.status, again.body.String(), tc.wantStatus, tc.wantBody)
			}
			if tc.again {
				tc.bot.wantCalls(t, 2)
				return
			}
			tc.bot.wantCalls(t, 1)
			if v := again.Header().Get("X-Other"); v != "" {
				t.Errorf("again: X-Other is %q", v)
			}
			if tc.wantBody != "" && again.Header().Get("Content-Type") != "application/json" {
				t.Errorf("again: Content-Type is %q", again.Header().Get("Content-Type"))
			}
		})
	}
}

// unchecked is a client that takes any status, and counts the final ones.
type unchecked struct {
	header http.Header
	status int
	body   strings.Builder
}

func (u *unchecked) Header() http.Header {
	if u.header == nil {
		u.header = make(http.Header)
	}
	return u.header
}

func (u *unchecked) WriteHeader(status int) {
	if u.status != 0 {
		panic("a second status")
	}
	u.status = status
}

func (u *unchecked) Write(b []byte) (int, error) { return u.body.Write(b) }

// TestNoAnswer sends an update again that failed without an answer.
func TestNoAnswer(t *testing.T) {
	refused := errors.New("connection refused")
	for name, tc := range map[string]struct {
		answer  func(n int64, w http.ResponseWriter, r *http.Request) error
		want    error
		written int
	}{
		"an error":                  {func(int64, http.ResponseWriter, *http.Request) error { return refused }, refused, 0},
		"no answer, no error":       {func(int64, http.ResponseWriter, *http.Request) error { return nil }, nil, 0},
		"an error after the status": {func(_ int64, w http.ResponseWriter, _ *http.Request) error { w.WriteHeader(502); return refused }, refused, 502},
	} {
		t.Run(name, func(t *testing.T) {
			table, b := new(Table), &bot{answer: tc.answer}
			for range 2 {
				w := new(unchecked)
				err := table.Deliver(w, httptest.NewRequest(http.MethodPost, "/", nil), b, someID, someCount)
				if !errors.Is(err, tc.want) || w.status != tc.written {
					t.Errorf("got %d, %v, want %d, %v", w.status, err, tc.written, tc.want)
				}
			}
			b.wantCalls(t, 2)
		})
	}
}

// TestPanic leaves no update under way for ever.
func TestPanic(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		table, release := new(Table), make(chan struct{})
		b := &bot{answer: func(n int64, w http.ResponseWriter, _ *http.Request) error {
			if n == 1 {
				w.WriteHeader(http.StatusOK)
				<-release
				panic(http.ErrAbortHandler) // as reverse_proxy does when the bot breaks off
			}
			w.WriteHeader(http.StatusOK)
			return nil
		}}
		go func() {
			defer func() {
				if recover() == nil {
					t.Error("the panic is swallowed")
				}
			}()
			_, _ = send(t.Context(), table, b, someID)
		}()
		synctest.Wait()
		go func() {
			if _, err := send(t.Context(), table, b, someID); !errors.Is(err, errBroken) {
				t.Errorf("who has waited gets %v", err)
			}
		}()
		synctest.Wait()
		close(release)
		synctest.Wait()
		if w, err := send(t.Context(), table, b, someID); w.Code != 200 || err != nil {
			t.Errorf("again: got %d, %v", w.Code, err)
		}
		b.wantCalls(t, 2)
	})
}

// TestSameRequest hands the bot the request that came, with a context that does
// not end with the client and has its values. As a transport may, the bot reads
// the request on when it has answered.
func TestSameRequest(t *testing.T) {
	type key struct{}
	ctx, cancel := context.WithCancel(context.WithValue(t.Context(), key{}, "value"))
	defer cancel()
	r := httptest.NewRequestWithContext(ctx, http.MethodPost, "/", nil)
	read := make(chan http.Header)
	b := &bot{answer: func(_ int64, w http.ResponseWriter, got *http.Request) error {
		go func() { read <- got.Trailer }()
		if got != r {
			t.Error("it is another request")
		}
		if got.Context().Value(key{}) != "value" {
			t.Error("its context has lost its values")
		}
		got.Method = "CHANGED"
		cancel()
		if err := got.Context().Err(); err != nil {
			t.Errorf("when the client has hung up: %v", err)
		}
		w.WriteHeader(http.StatusOK)
		return nil
	}}
	w := httptest.NewRecorder()
	if err := new(Table).Deliver(w, r, b, someID, someCount); err != nil || w.Code != clientClosed {
		t.Fatalf("got %d, %v", w.Code, err)
	}
	<-read
	if r.Context().Value(key{}) != "value" || r.Context().Err() == nil || r.Method != "CHANGED" {
		t.Errorf("afterwards its context has ended: %v, and its method is %s", r.Context().Err() != nil, r.Method)
	}
}
