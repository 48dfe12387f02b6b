package botapi

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
)

// endless is the body of an answer that goes on for ever. It counts.
type endless struct {
	read   int
	closed bool
}

func (e *endless) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = ' '
	}
	e.read += len(p)
	return len(p), nil
}

func (e *endless) Close() error { e.closed = true; return nil }

func TestLongAnswerIsNotReadInFull(t *testing.T) {
	var body endless
	c := clientOver(t, "", roundTrip(func(*http.Request) (*http.Response, error) {
		return &http.Response{StatusCode: 200, Body: &body, ContentLength: -1}, nil
	}))
	_, err := c.GetWebhookInfo(context.Background())
	if err == nil || !strings.Contains(err.Error(), "but not as the Bot API does") {
		t.Errorf("got %v", err)
	}
	if body.read > maxAnswer || !body.closed {
		t.Errorf("%d bytes read, closed %v", body.read, body.closed)
	}
}

// Ten MiB over a connection end with an error for the server too.
func TestLongAnswer(t *testing.T) {
	ended := make(chan error, 1)
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		chunk := []byte(strings.Repeat(" ", 1<<20))
		for range 10 {
			if _, err := w.Write(chunk); err != nil {
				ended <- err
				return
			}
		}
		<-r.Context().Done() // all of it went into the system's buffers
		ended <- r.Context().Err()
	})
	_, err := client(t, s.URL).GetWebhookInfo(context.Background())
	if err == nil || !strings.Contains(err.Error(), "but not as the Bot API does") {
		t.Errorf("got %v", err)
	}
	checkFailure(t, err)
	if <-ended == nil {
		t.Error("the connection was not given up")
	}
}

// FuzzDecode looks for an answer that makes decoding panic, or that brings a
// secret into what comes of it.
func FuzzDecode(f *testing.F) {
	for _, body := range []string{
		noWebhook, done, `{"ok":false,"description":"` + plantedToken + `"}`, `{"description":"` + plantedSecret + `","parameters":{"retry_after":1e9}}`,
		`{"ok":true,"result":{"url":"` + plantedToken + `","last_error_message":"` + plantedHalf + `","allowed_updates":["` + plantedID + "%3A" + plantedHalf + `"]}}`,
		`{"ok":true,"result":{"url":"` + escaped(plantedToken) + `"}}`, `{"ok":`, "<html>" + plantedToken, `[[[[`, "", "null", `{"ok":1e999}`,
	} {
		f.Add(200, []byte(body))
		f.Add(429, []byte(body))
	}
	c := client(f, "")
	call := call{method: "getWebhookInfo", secret: plantedSecret}
	f.Fuzz(func(t *testing.T, status int, body []byte) {
		var info webhookInfo
		answer := func() *http.Response {
			return &http.Response{StatusCode: status, Body: io.NopCloser(bytes.NewReader(body))}
		}
		for _, accept := range []func(json.RawMessage) bool{info.decode, isTrue} {
			err := c.explain(call, read(answer(), accept))
			if err == nil {
				continue
			}
			whole(t, err)
			if len(err.Error()) > 10*maxText+100 || strings.ContainsAny(err.Error(), "\r\n\x1b") {
				t.Errorf("long or not on one line: %q", err)
			}
			if e, ok := errors.AsType[*Error](err); ok && (e.RetryAfter < 0 || e.RetryAfter > maxRetryAfter) {
				t.Errorf("retry after %v", e.RetryAfter)
			}
		}
		if read(answer(), info.decode) != nil {
			return
		}
		public := info.public(newRedactor(c.account, plantedSecret))
		whole(t, public)
		if _, err := json.Marshal(public); err != nil {
			t.Errorf("no JSON form: %v", err)
		}
	})
}

// whole fails the test if a value shows all of the token's secret half, or the
// webhook's secret. Parts of them may well be what a server has made up.
func whole(t *testing.T, v any) {
	t.Helper()
	shown := strings.ToLower(fmt.Sprintf("%v %#v", v, v))
	for _, secret := range []string{plantedHalf, plantedSecret} {
		if strings.Contains(shown, strings.ToLower(secret)) {
			t.Errorf("%q in %s", secret, shown)
		}
	}
}
