package botapi

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"strings"
	"sync"
	"testing"
)

const (
	plantedID     = "123456789"
	plantedHalf   = "AAF-planted_Token_0123456789-abcdef"
	plantedToken  = plantedID + ":" + plantedHalf
	plantedSecret = "planted-webhook_Secret_9876543210"
)

// logged is what went to the standard logger, where net/http complains.
var logged struct {
	sync.Mutex
	bytes.Buffer
}

type logWriter struct{}

func (logWriter) Write(p []byte) (int, error) {
	logged.Lock()
	defer logged.Unlock()
	return logged.Buffer.Write(p)
}

func TestMain(m *testing.M) {
	log.SetOutput(logWriter{})
	code := m.Run()
	logged.Lock()
	defer logged.Unlock()
	if found := leaks(logged.String(), plantedSecret); found != nil {
		fmt.Printf("the log shows %q:\n%s", found, logged.String())
		code = 1
	}
	os.Exit(code)
}

func account(t testing.TB, token, api string, test bool) *Account {
	t.Helper()
	a, err := NewAccount(token, api, test)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// client calls what serves at api.
func client(t testing.TB, api string) *Client {
	t.Helper()
	return NewClient(account(t, plantedToken, api, false), nil)
}

// clientOver calls what serves at api, over that transport.
func clientOver(t testing.TB, api string, transport http.RoundTripper) *Client {
	t.Helper()
	return NewClient(account(t, plantedToken, api, false), transport)
}

// serve starts a server on loopback.
func serve(t testing.TB, h http.HandlerFunc) *httptest.Server {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return s
}

// reply answers with a status and a body of a type that is no help.
func reply(status int, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		w.WriteHeader(status)
		io.WriteString(w, body)
	}
}

// raw answers with bytes as they are, and closes the connection.
func raw(answer func(*http.Request) string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		c, _, err := w.(http.Hijacker).Hijack()
		if err != nil {
			panic(err)
		}
		io.WriteString(c, answer(r))
		c.Close()
	}
}

// request is what a server was sent.
type request struct {
	method, path, contentType string
	header                    http.Header
	body                      []byte
}

// recorder answers every request alike and keeps it.
type recorder struct {
	*httptest.Server
	mu       sync.Mutex
	requests []request
}

func record(t testing.TB, answer string) *recorder {
	t.Helper()
	r := new(recorder)
	r.Server = serve(t, func(w http.ResponseWriter, q *http.Request) {
		body, _ := io.ReadAll(q.Body)
		r.mu.Lock()
		r.requests = append(r.requests, request{q.Method, q.RequestURI, q.Header.Get("Content-Type"), q.Header, body})
		r.mu.Unlock()
		io.WriteString(w, answer)
	})
	return r
}

// only returns the one request that was made.
func (r *recorder) only(t testing.TB) request {
	t.Helper()
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.requests) != 1 {
		t.Fatalf("%d requests, want 1", len(r.requests))
	}
	return r.requests[0]
}

// printed is a value in every form in which it could get into a log.
func printed(v any) string {
	type nested struct {
		Public  any
		private any
	}
	var b bytes.Buffer
	for _, x := range []any{v, &v, nested{v, v}, &nested{v, v}, []any{v}, map[string]any{"k": v}} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%d", "%T", "%p", "%08.3f"} {
			fmt.Fprintf(&b, verb+"\n", x)
		}
		if encoded, err := json.Marshal(x); err == nil {
			b.Write(encoded)
		}
	}
	slog.New(slog.NewTextHandler(&b, nil)).Info("m", "v", v)
	slog.New(slog.NewJSONHandler(&b, nil)).Info("m", "v", v)
	return b.String()
}

// leaks returns what of the planted values is in s, in any case.
func leaks(s string, planted ...string) []string {
	s = strings.ToLower(s)
	var found []string
	for _, p := range append(planted, plantedHalf, plantedHalf[:12], plantedHalf[len(plantedHalf)-12:]) {
		if strings.Contains(s, strings.ToLower(p)) {
			found = append(found, p)
		}
	}
	return found
}

// search fails the test if a value shows the token or the webhook's secret.
func search(t testing.TB, what string, v any) {
	t.Helper()
	p := printed(v)
	if found := leaks(p, plantedSecret); found != nil {
		for line := range strings.Lines(p) {
			if leaks(line, plantedSecret) != nil {
				t.Errorf("%s shows %q: %s", what, found, line)
				break
			}
		}
	}
	err, ok := v.(error)
	if !ok {
		return
	}
	if u, ok := errors.AsType[*url.Error](err); ok && leaks(u.URL) != nil {
		t.Errorf("%s unwraps to a url.Error with the token", what)
	}
	for next := errors.Unwrap(err); next != nil; next = errors.Unwrap(next) {
		if found := leaks(printed(next), plantedSecret); found != nil {
			t.Errorf("%s unwraps to %T, which shows %q", what, next, found)
		}
	}
	if many, ok := v.(interface{ Unwrap() []error }); ok {
		for _, next := range many.Unwrap() {
			search(t, what, next)
		}
	}
}

// roundTrip is a transport made of a function.
type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }
