package registrar

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/caddy-telegram/telegramwebhook/internal/botapi"
	"github.com/caddy-telegram/telegramwebhook/internal/storagetest"
	"github.com/caddy-telegram/telegramwebhook/internal/telegramtest"
)

const token = "123456789:" + "test_token_for_loopback_only_0000000"

// wire carries the client's requests to the stand-in without a network, which a
// fake clock does not stop for.
type wire struct {
	api *telegramtest.API

	mu  sync.Mutex
	cut func(*http.Request) (*http.Response, error) // what happens instead, if anything
}

func (w *wire) RoundTrip(r *http.Request) (*http.Response, error) {
	w.mu.Lock()
	cut := w.cut
	w.mu.Unlock()
	if cut != nil {
		return cut(r)
	}
	recorder := httptest.NewRecorder()
	w.api.ServeHTTP(recorder, r)
	return recorder.Result(), nil
}

func (w *wire) set(cut func(*http.Request) (*http.Response, error)) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.cut = cut
}

// newClient calls the stand-in over a way to it.
func newClient(t *testing.T, token string, way http.RoundTripper) *botapi.Client {
	t.Helper()
	parsed, err := botapi.ParseToken(token)
	if err != nil {
		t.Fatal(err)
	}
	return botapi.New(parsed, botapi.Options{HTTP: &http.Client{Transport: way, Timeout: 30 * time.Second}})
}

// answer is an answer of those bytes, which end with an error if there is one.
func answer(status int, body io.Reader) func(*http.Request) (*http.Response, error) {
	return func(r *http.Request) (*http.Response, error) {
		return &http.Response{StatusCode: status, Status: fmt.Sprint(status), Header: http.Header{}, Body: io.NopCloser(body), Request: r}, nil
	}
}

func refusal(code int, description, more string) func(*http.Request) (*http.Response, error) {
	return func(r *http.Request) (*http.Response, error) {
		body := fmt.Sprintf(`{"ok":false,"error_code":%d,"description":%q%s}`, code, description, more)
		return answer(code, strings.NewReader(body))(r)
	}
}

func fails(err error) func(*http.Request) (*http.Response, error) {
	return func(*http.Request) (*http.Response, error) { return nil, err }
}

// TestEveryError breaks the way to Telegram in every way, and mends it.
func TestEveryError(t *testing.T) {
	const soon, later = 6 * time.Minute, 20 * time.Minute
	for name, tc := range map[string]struct {
		cut  func(*http.Request) (*http.Response, error)
		most time.Duration // until it is registered, once it is mended
	}{
		"429":                  {refusal(429, "Too Many Requests: retry after 30", `,"parameters":{"retry_after":30}`), time.Minute},
		"409":                  {refusal(409, "Conflict: terminated by other setWebhook", ""), soon},
		"401":                  {refusal(401, "Unauthorized", ""), later},
		"404":                  {refusal(404, "Not Found", ""), later},
		"400 url":              {refusal(400, "Bad Request: invalid webhook URL specified", ""), later},
		"400 https":            {refusal(400, "Bad Request: bad webhook: An HTTPS URL must be provided for webhook", ""), later},
		"400 port":             {refusal(400, "Bad Request: bad webhook: Webhook can be set up only on ports 80, 88, 443 or 8443", ""), later},
		"400 reserved":         {refusal(400, "Bad Request: bad webhook: IP address 10.0.0.1 is reserved", ""), later},
		"400 IPv6":             {refusal(400, "Bad Request: bad webhook: IPv6-only addresses are not allowed", ""), later},
		"400 host":             {refusal(400, "Bad Request: bad webhook: Failed to resolve host: Name or service not known", ""), later},
		"400 secret":           {refusal(400, "Bad Request: secret token contains unallowed characters", ""), later},
		"400 certificate":      {refusal(400, "Bad Request: bad webhook: Failed to set custom certificate file", ""), later},
		"400 certificate size": {refusal(400, "Bad Request: certificate size is too big (4000000 bytes)", ""), later},
		"500":                  {refusal(500, "Internal Server Error", ""), soon},
		"HTML":                 {answer(502, strings.NewReader("<html>Bad Gateway</html>")), soon},
		"200 HTML":             {answer(200, strings.NewReader("<html>a captive portal</html>")), soon},
		"10 MiB":               {answer(200, io.LimitReader(spaces{}, 10<<20)), soon},
		"cut off": {func(r *http.Request) (*http.Response, error) {
			return answer(200, io.MultiReader(strings.NewReader(`{"ok":tr`), broken{}))(r)
		}, soon},
		"a time-out": {func(r *http.Request) (*http.Response, error) {
			<-r.Context().Done()
			return nil, r.Context().Err()
		}, soon},
		"connection refused": {fails(&net.OpError{Op: "dial", Err: os.NewSyscallError("connect", syscall.ECONNREFUSED)}), soon},
		"DNS failure":        {fails(&net.DNSError{Err: "no such host", Name: "api.telegram.org", IsNotFound: true}), soon},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				standIn := telegramtest.NewAPI(telegramtest.APIOptions{Tokens: []string{token}})
				defer standIn.Close()
				way := &wire{api: standIn, cut: tc.cut}
				n := run(t, "a", newClient(t, token, way), storagetest.NewMemory(), wanted)

				settle(40 * time.Second)
				n.want(t, Failing)
				told := n.logs.FilterMessage("webhook not registered").All()
				if len(told) == 0 || told[0].ContextMap()["remedy"] == "" {
					t.Fatal("the log does not say what is wrong and what to do")
				}
				if text := fmt.Sprint(told[0].ContextMap()); strings.Contains(text, token) || strings.Contains(text, wanted.Secret) {
					t.Errorf("the log holds a secret: %s", text)
				}
				way.set(nil)
				settle(tc.most)
				n.want(t, Registered)
				if w := standIn.Webhook(token); w.URL != wanted.URL || w.Secret != wanted.Secret {
					t.Errorf("Telegram has %q", w.URL)
				}
				n.stop()
				synctest.Wait()
			})
		})
	}
}

// spaces is a body without an end.
type spaces struct{}

func (spaces) Read(b []byte) (int, error) { return copy(b, bytes.Repeat([]byte(" "), len(b))), nil }

// broken is a body that breaks off.
type broken struct{}

func (broken) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }

// TestUnknownBot has a token that the stand-in does not know.
func TestUnknownBot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		standIn := telegramtest.NewAPI(telegramtest.APIOptions{Tokens: []string{}})
		defer standIn.Close()
		client := newClient(t, token, &wire{api: standIn})
		err := client.SetWebhook(context.Background(), wanted)
		if refused, ok := errors.AsType[*botapi.Error](err); !ok || refused.Code != 401 {
			t.Fatalf("got %v, want a 401", err)
		}
		n := run(t, "a", client, storagetest.NewMemory(), wanted)
		settle(time.Hour)
		n.want(t, Failing)
		if calls := len(standIn.Calls("")); calls > 8 {
			t.Errorf("%d calls in an hour for a token that is wrong", calls)
		}
	})
}
