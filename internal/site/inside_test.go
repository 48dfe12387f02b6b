package site

import (
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/caddy-telegram/telegramwebhook/internal/telegram"
)

// TestResponse reads what a handler has written as if it had come over a connection.
func TestResponse(t *testing.T) {
	for name, test := range map[string]struct {
		handler func(w http.ResponseWriter)
		status  int
		body    string
		method  string
		err     error
	}{
		"nothing": {func(http.ResponseWriter) {}, 200, "", "", nil},
		"a method": {func(w http.ResponseWriter) {
			w.Header().Set("Content-Type", "application/json")
			_, _ = w.Write([]byte(`{"method":`))
			_, _ = w.Write([]byte(`"sendMessage"}`))
		}, 200, `{"method":"sendMessage"}`, "sendMessage", nil},
		"the first status": {func(w http.ResponseWriter) {
			w.WriteHeader(http.StatusEarlyHints)
			w.WriteHeader(http.StatusOK)
		}, 103, "", "", nil},
		"headers after the status": {func(w http.ResponseWriter) {
			w.WriteHeader(http.StatusServiceUnavailable)
			w.Header().Set("Content-Length", "1")
			_, _ = w.Write([]byte("away"))
		}, 503, "away", "", nil},
		"flushed": {func(w http.ResponseWriter) {
			w.Header().Set("Transfer-Encoding", "chunked")
			if err := http.NewResponseController(w).Flush(); err != nil {
				t.Error(err)
			}
			_, _ = w.Write([]byte("hi"))
		}, 200, "hi", "", nil},
		"less than its length": {func(w http.ResponseWriter) {
			w.Header().Set("Content-Length", "5")
			_, _ = w.Write([]byte("hi"))
		}, 200, "", "", telegram.ErrClosed},
		"too much": {func(w http.ResponseWriter) {
			w.Header().Set("Content-Type", "application/json")
			chunk := []byte(strings.Repeat(" ", 1<<20))
			for range 100 {
				if _, err := w.Write(chunk); err != nil {
					panic(http.ErrAbortHandler)
				}
			}
		}, 0, "", "", telegram.ErrClosed},
		"a panic": {func(w http.ResponseWriter) {
			w.WriteHeader(http.StatusOK)
			panic("planted")
		}, 0, "", "", telegram.ErrClosed},
	} {
		t.Run(name, func(t *testing.T) {
			a := answerOf(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { test.handler(w) }), nil)
			if a.Status != test.status || string(a.Body) != test.body || a.Method != test.method || !errors.Is(a.Err, test.err) {
				t.Errorf("got %d %q, method %q, error %v", a.Status, a.Body, a.Method, a.Err)
			}
		})
	}
}
