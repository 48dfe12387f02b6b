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
	"time"

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
		if contentType != "" {
			w.Header().Set("Content-Type", contentType)
		}
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

var someRules = Rules{RetryAfter: "5"}

// send delivers an update with that context.
func send(ctx context.Context, table *Table, b caddyhttp.Handler, id int64) (*httptest.ResponseRecorder, Outcome) {
	w := httptest.NewRecorder()
	r := httptest.NewRequestWithContext(ctx, http.MethodPost, "/", nil)
	return w, someRules.Deliver(w, r, b, &Once{table, id, someCount})
}

// TestAgain sends an update again twice after each kind of answer.
func TestAgain(t *testing.T) {
	long := strings.Repeat("x", maxAnswer)
	for name, tc := range map[string]struct {
		bot   *bot
		body  string // of the answer that is given again
		taken bool
	}{
		"a method":         {says(200, "application/json", methodBody), methodBody, true},
		"nothing":          {says(200, "", ""), "", true},
		"without a type":   {says(200, "", methodBody), "", true},
		"201 is a 2xx":     {says(201, "application/json", methodBody), methodBody, true},
		"204 is a 2xx":     {says(204, "", ""), "", true},
		"299 is a 2xx":     {says(299, "", ""), "", true},
		"as long as kept":  {says(200, "application/json", long), long, true},
		"too long to keep": {says(200, "application/json", long+"x"), "", true},
		"300 is none":      {says(300, "", ""), "", false},
		"500 is none":      {says(500, "text/plain", "page"), "page", false},
		"410 is none":      {says(410, "text/plain", "page"), "page", false},
	} {
		t.Run(name, func(t *testing.T) {
			table := NewTable()
			first, _ := send(t.Context(), table, tc.bot, someID)
			if got := first.Header().Get("X-Other"); got == "" {
				t.Error("the first answer is not the bot's")
			}
			again, outcome := send(t.Context(), table, tc.bot, someID)
			if again.Body.String() != tc.body || outcome.Kind == Repeated {
				t.Errorf("again: got %+v, %.100q, want %.100q", outcome, again.Body.String(), tc.body)
			}
			if !tc.taken {
				tc.bot.wantCalls(t, 2)
				return
			}
			if again.Code != 200 || outcome != (Outcome{Status: 200}) || again.Header().Get("X-Other") != "" {
				t.Errorf("again: got %d, %+v, %v", again.Code, outcome, again.Header())
			}
			if tc.body != "" && again.Header().Get("Content-Type") != "application/json" {
				t.Errorf("again: Content-Type is %q", again.Header().Get("Content-Type"))
			}
			for range 3 {
				bare, outcome := send(t.Context(), table, tc.bot, someID)
				if bare.Code != 200 || bare.Body.Len() > 0 || len(bare.Header()) > 0 || outcome.Kind != Repeated || outcome.Status != 200 {
					t.Errorf("from then on: got %d, %+v, %v", bare.Code, outcome, bare)
				}
			}
			tc.bot.wantCalls(t, 1)
		})
	}
}

// TestGzip gives an encoded answer again as such.
func TestGzip(t *testing.T) {
	table := NewTable()
	b := &bot{answer: func(_ int64, w http.ResponseWriter, _ *http.Request) error {
		w.Header().Set("Content-Encoding", "gzip")
		return answerMethod(w)
	}}
	for range 2 {
		if w, _ := send(t.Context(), table, b, someID); w.Header().Get("Content-Encoding") != "gzip" || w.Body.String() != methodBody {
			t.Errorf("got %v %q", w.Header(), w.Body)
		}
	}
	b.wantCalls(t, 1)
}

// TestNoAnswer sends an update again that failed without an answer.
func TestNoAnswer(t *testing.T) {
	refused := errors.New("connection refused")
	for name, tc := range map[string]struct {
		answer func(n int64, w http.ResponseWriter, r *http.Request) error
		want   error
		status int
	}{
		"an error":                  {func(int64, http.ResponseWriter, *http.Request) error { return refused }, refused, 500},
		"no answer, no error":       {func(int64, http.ResponseWriter, *http.Request) error { return nil }, errUnhandled, 503},
		"an error after the status": {func(_ int64, w http.ResponseWriter, _ *http.Request) error { w.WriteHeader(502); return refused }, refused, 502},
		"an error after a 200":      {func(_ int64, w http.ResponseWriter, _ *http.Request) error { w.WriteHeader(200); return refused }, refused, 200},
	} {
		t.Run(name, func(t *testing.T) {
			table, b := NewTable(), &bot{answer: tc.answer}
			for range 2 {
				w, outcome := send(t.Context(), table, b, someID)
				if !errors.Is(outcome.Err, tc.want) || w.Code != tc.status {
					t.Errorf("got %d, %v, want %d, %v", w.Code, outcome.Err, tc.status, tc.want)
				}
			}
			b.wantCalls(t, 2)
		})
	}
}

// TestInFlight sends an update again that the bot works on. Telegram is told at once to
// come later, and other updates pass.
func TestInFlight(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		table, release := NewTable(), make(chan struct{})
		b := &bot{answer: func(_ int64, w http.ResponseWriter, _ *http.Request) error {
			<-release
			return answerMethod(w)
		}}
		first := make(chan *httptest.ResponseRecorder, 1)
		go func() {
			w, _ := send(t.Context(), table, b, someID)
			first <- w
		}()
		synctest.Wait()
		for range 3 {
			w, outcome := send(t.Context(), table, b, someID)
			if w.Code != 503 || w.Header().Get("Retry-After") != "5" || outcome.Kind != InFlight {
				t.Errorf("again: got %d, Retry-After %q, %+v", w.Code, w.Header().Get("Retry-After"), outcome)
			}
		}
		if w, _ := send(t.Context(), table, says(200, "", ""), someID+1); w.Code != 200 {
			t.Errorf("another update: got %d", w.Code)
		}
		if w, _ := send(t.Context(), NewTable(), says(200, "", ""), someID); w.Code != 200 {
			t.Errorf("another bot: got %d", w.Code)
		}
		close(release)
		if w := <-first; w.Code != 200 || w.Body.String() != methodBody {
			t.Errorf("got %d %q", w.Code, w.Body)
		}
		b.wantCalls(t, 1)
	})
}

// TestClientThatTakesNothing has a connection that breaks while the answer is written.
// The bot is not told, and the answer is kept whole.
func TestClientThatTakesNothing(t *testing.T) {
	table := NewTable()
	b := &bot{answer: func(_ int64, w http.ResponseWriter, _ *http.Request) error {
		return errors.Join(answerMethod(w), http.NewResponseController(w).Flush())
	}}
	r := httptest.NewRequest(http.MethodPost, "/", nil)
	outcome := someRules.Deliver(broken{httptest.NewRecorder()}, r, b, &Once{table, someID, someCount})
	if outcome.Kind != Answered {
		t.Errorf("got %+v", outcome)
	}
	if w, _ := send(t.Context(), table, b, someID); w.Body.String() != methodBody {
		t.Errorf("again: got %q", w.Body)
	}
	b.wantCalls(t, 1)
}

type broken struct{ http.ResponseWriter }

func (broken) Write([]byte) (int, error) { return 0, io.ErrClosedPipe }

func (broken) FlushError() error { return io.ErrClosedPipe }

// TestPanic leaves no update under way for ever.
func TestPanic(t *testing.T) {
	table := NewTable()
	b := &bot{answer: func(n int64, w http.ResponseWriter, _ *http.Request) error {
		w.WriteHeader(http.StatusOK)
		if n == 1 {
			panic(http.ErrAbortHandler) // as reverse_proxy does when the bot breaks off
		}
		return nil
	}}
	func() {
		defer func() {
			if recover() == nil {
				t.Error("the panic is swallowed")
			}
		}()
		_, _ = send(t.Context(), table, b, someID)
	}()
	if _, outcome := send(t.Context(), table, b, someID); outcome != (Outcome{Status: 200}) {
		t.Errorf("again: got %+v", outcome)
	}
	b.wantCalls(t, 2)
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
		cancel()
		if err := got.Context().Err(); err != nil {
			t.Errorf("when the client has hung up: %v", err)
		}
		return answerMethod(w)
	}}
	table, w := NewTable(), httptest.NewRecorder()
	outcome := someRules.Deliver(w, r, b, &Once{table, someID, someCount})
	if w.Code != clientClosed || outcome.Kind != Closed {
		t.Fatalf("got %d, %+v", w.Code, outcome)
	}
	<-read
	if r.Context().Value(key{}) != "value" || r.Context().Err() == nil {
		t.Error("afterwards its context has lost its values, or goes on")
	}
	if w, _ := send(t.Context(), table, b, someID); w.Code != 200 || w.Body.String() != methodBody {
		t.Errorf("again: got %d %q", w.Code, w.Body)
	}
}

// TestClosedConnection tells a bot that is slower than Telegram waits from a connection
// that was closed for another reason, with and without dedupe.
func TestClosedConnection(t *testing.T) {
	for name, tc := range map[string]struct {
		closed, takes time.Duration
		kind          Kind
	}{
		"a registration": {50 * time.Millisecond, time.Second, Closed},
		"a slow bot":     {time.Minute, 2 * time.Minute, Abandoned},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				for _, once := range []*Once{nil, {NewTable(), someID, someCount}} {
					ctx, cancel := context.WithTimeout(t.Context(), tc.closed)
					defer cancel()
					b := &bot{answer: func(_ int64, w http.ResponseWriter, r *http.Request) error {
						select {
						case <-time.After(tc.takes):
							return answerMethod(w)
						case <-r.Context().Done():
							w.WriteHeader(clientClosed) // as reverse_proxy does
							return nil
						}
					}}
					w, r := httptest.NewRecorder(), httptest.NewRequestWithContext(ctx, http.MethodPost, "/", nil)
					outcome := someRules.Deliver(w, r, b, once)
					if outcome.Kind != tc.kind || outcome.Status != clientClosed || !strings.HasPrefix(outcome.Err.Error(), "connection closed before the bot had answered; the request took ") {
						t.Errorf("dedupe %v: got %+v", once != nil, outcome)
					}
				}
			})
		})
	}
}

// TestTrailers drops the trailers of the bot's answer, those that are announced and
// those that come late.
func TestTrailers(t *testing.T) {
	b := &bot{answer: func(_ int64, w http.ResponseWriter, _ *http.Request) error {
		w.Header().Set("Trailer", "X-Announced")
		w.Header().Set(http.TrailerPrefix+"X-Early", "1")
		err := answerMethod(w)
		_ = http.NewResponseController(w).Flush()
		w.Header().Set("X-Announced", "1")
		w.Header().Set(http.TrailerPrefix+"X-Late", "1")
		return err
	}}
	for name, once := range map[string]*Once{"without dedupe": nil, "with dedupe": {NewTable(), someID, someCount}} {
		t.Run(name, func(t *testing.T) {
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				_ = someRules.Deliver(w, r, b, once)
			}))
			defer server.Close()
			resp, err := http.Post(server.URL, "application/json", nil)
			if err != nil {
				t.Fatal(err)
			}
			defer resp.Body.Close()
			if body, err := io.ReadAll(resp.Body); string(body) != methodBody || err != nil {
				t.Errorf("got %q, %v", body, err)
			}
			if len(resp.Trailer) > 0 || resp.Header.Get("Trailer") != "" {
				t.Errorf("got the trailers %v", resp.Trailer)
			}
		})
	}
}
