package telegramwebhook

import (
	"bufio"
	"context"
	"crypto/tls"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/caddy-telegram/telegramwebhook/internal/telegram"
)

// allowed is the rule again, in the plainest words.
func allowed(r *http.Request) bool {
	values := r.Header.Values(telegram.SecretHeader)
	return r.TLS != nil &&
		len(values) == 1 && (values[0] == rightSecret || values[0] == staleSecret) &&
		r.Method == "POST" && len(r.Header["Content-Type"]) == 1 &&
		strings.ToLower(strings.TrimSpace(strings.Split(r.Header.Get("Content-Type"), ";")[0])) == "application/json" &&
		r.ContentLength <= 1<<20
}

// FuzzRequest gives the handler whatever net/http parses, and compares what it
// does with the rule.
func FuzzRequest(f *testing.F) {
	const head, length = "POST / HTTP/1.1\r\nHost: bot.example.com\r\n", "Content-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"
	for _, raw := range []string{
		head + telegram.SecretHeader + ": " + rightSecret + "\r\n" + length,
		head + strings.ToLower(telegram.SecretHeader) + ":" + staleSecret + "\r\n" + length,
		head + telegram.SecretHeader + ": " + rightSecret + "\r\n" + telegram.SecretHeader + ": " + rightSecret + "\r\n" + length,
		head + telegram.SecretHeader + ": " + rightSecret + "," + rightSecret + "\r\n" + length,
		head + telegram.SecretHeader + ": \xff\x80\r\n" + length,
		head + length,
		strings.Replace(head, "POST", "GET", 1) + telegram.SecretHeader + ": " + rightSecret + "\r\n\r\n",
		head + telegram.SecretHeader + ": " + rightSecret + "\r\nTransfer-Encoding: chunked\r\nContent-Type: application/json\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
		head + telegram.SecretHeader + ": " + rightSecret + "\r\nContent-Type: application/json\r\nContent-Length: 1048577\r\n\r\n",
		head + telegram.SecretHeader + ": " + rightSecret + "\r\nContent-Type: Application/json ; a=b\r\n\r\n",
	} {
		f.Add(raw, true)
		f.Add(raw, false)
	}
	h := provision(f, new(Handler))
	f.Fuzz(func(t *testing.T, raw string, overTLS bool) {
		r, err := http.ReadRequest(bufio.NewReader(strings.NewReader(raw)))
		if err != nil {
			return
		}
		if overTLS {
			r.TLS = &tls.ConnectionState{}
		}
		r = r.WithContext(context.WithValue(r.Context(), caddyhttp.VarsCtxKey, map[string]any{caddyhttp.ClientIPVarKey: somebody}))
		want := allowed(r)

		reached := false
		w := httptest.NewRecorder()
		err = h.ServeHTTP(w, r, caddyhttp.HandlerFunc(func(w http.ResponseWriter, r *http.Request) error {
			reached = true
			if _, there := r.Header[telegram.SecretHeader]; there {
				t.Error("the bot sees the secret")
			}
			_, err := io.Copy(io.Discard, r.Body)
			w.WriteHeader(http.StatusNoContent)
			return err
		}))
		if err != nil {
			t.Errorf("got the error %v, want none", err)
		}
		if reached != want {
			t.Errorf("passed: %v, want %v", reached, want)
		}
		switch w.Code {
		case http.StatusNoContent:
			if !want {
				t.Error("answered by the bot")
			}
		case http.StatusForbidden, http.StatusMethodNotAllowed, http.StatusRequestEntityTooLarge, http.StatusUnsupportedMediaType:
			if want || w.Body.Len() > 0 {
				t.Errorf("refused with %d %q, want it passed or a bare status", w.Code, w.Body)
			}
		default:
			t.Errorf("got %d", w.Code)
		}
	})
}
