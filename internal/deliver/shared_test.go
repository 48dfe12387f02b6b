package deliver

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
)

// TestShared has several wait for one delivery, that each get its answer, be it
// good or not, except one that hangs up.
func TestShared(t *testing.T) {
	refused := errors.New("connection refused")
	for name, tc := range map[string]struct {
		bot    *bot
		status int
		body   string
		retry  string
		err    error
	}{
		"a method":      {says(201, "application/json", methodBody), 201, methodBody, "7", nil},
		"an error page": {says(503, "text/plain", "page"), 503, "page", "7", nil},
		"too long":      {says(200, "text/plain", strings.Repeat("x", maxBody+1)), 200, "", "7", nil},
		"refused":       {&bot{answer: func(int64, http.ResponseWriter, *http.Request) error { return refused }}, 200, "", "", refused},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				table, release := new(Table), make(chan struct{})
				answer := tc.bot.answer
				tc.bot.answer = func(n int64, w http.ResponseWriter, r *http.Request) error {
					<-release
					return answer(n, w, r)
				}
				go func() { _, _ = send(t.Context(), table, tc.bot, someID) }()
				synctest.Wait()
				for range 5 {
					go func() {
						w, err := send(t.Context(), table, tc.bot, someID)
						if w.Code != tc.status || w.Body.String() != tc.body || w.Header().Get("Retry-After") != tc.retry || !errors.Is(err, tc.err) {
							t.Errorf("got %d %.100q, Retry-After %q, %v", w.Code, w.Body, w.Header().Get("Retry-After"), err)
						}
					}()
				}
				impatient, hangUp := context.WithCancel(t.Context())
				go func() {
					if w, err := send(impatient, table, tc.bot, someID); w.Code != clientClosed || err != nil {
						t.Errorf("who has hung up: got %d, %v", w.Code, err)
					}
				}()
				other := says(200, "", "")
				if w, _ := send(t.Context(), table, other, someID+1); w.Code != 200 {
					t.Errorf("another update: got %d", w.Code)
				}
				other.wantCalls(t, 1)
				synctest.Wait()
				hangUp()
				synctest.Wait()
				close(release)
				synctest.Wait()
				tc.bot.wantCalls(t, 1)
			})
		})
	}
}

// TestSlowClient shows that nobody waits for the client that came first: not for
// its connection, and not until it has taken the answer.
func TestSlowClient(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		table, b := new(Table), says(200, "application/json", methodBody)
		taken := make(chan struct{})
		go func() {
			r := httptest.NewRequest(http.MethodPost, "/", nil)
			_ = table.Deliver(stuck{httptest.NewRecorder(), taken}, r, b, someID, someCount)
		}()
		synctest.Wait()
		if w, _ := send(t.Context(), table, b, someID); w.Body.String() != methodBody {
			t.Errorf("got %d %q", w.Code, w.Body)
		}
		close(taken)
		b.wantCalls(t, 1)
	})
}

// stuck takes nothing until it is let go.
type stuck struct {
	http.ResponseWriter
	taken chan struct{}
}

func (s stuck) Write(b []byte) (int, error) {
	<-s.taken
	return len(b), nil
}
