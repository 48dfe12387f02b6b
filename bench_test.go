package telegramwebhook

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/caddy-telegram/telegramwebhook/internal/telegram"
	"github.com/caddy-telegram/telegramwebhook/internal/telegramtest"
)

// BenchmarkGenuine is all that the handler does with a genuine update of 1 KB
// until it is with the next handler and answered. "without" is the same
// request without the gate, to be subtracted.
func BenchmarkGenuine(b *testing.B) {
	bot := func(ask string) caddyhttp.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) error {
			if ask != "" {
				r.Context().Value(caddy.ReplacerCtxKey).(*caddy.Replacer).ReplaceAll(ask, "")
			}
			_, err := io.Copy(io.Discard, r.Body)
			w.WriteHeader(http.StatusOK)
			return err
		}
	}
	const ask = "{http.telegram_webhook.update_type} {http.telegram_webhook.chat_id}"
	id := 0
	gate, once := provision(b, new(Handler)), provision(b, &Handler{Dedupe: 10_000})
	for _, bench := range []struct {
		name  string
		serve func(http.ResponseWriter, *http.Request) error
	}{
		{"without", bot("")},
		{"nothing", func(w http.ResponseWriter, r *http.Request) error { return gate.ServeHTTP(w, r, bot("")) }},
		{"placeholders", func(w http.ResponseWriter, r *http.Request) error { return gate.ServeHTTP(w, r, bot(ask)) }},
		{"dedupe", func(w http.ResponseWriter, r *http.Request) error { return once.ServeHTTP(w, r, bot("")) }},
		{"both", func(w http.ResponseWriter, r *http.Request) error { return once.ServeHTTP(w, r, bot(ask)) }},
	} {
		b.Run(bench.name, func(b *testing.B) {
			b.ReportAllocs()
			r, header := request(somebody), []string{rightSecret}
			ctx := r.Context()
			body := telegramtest.Message(1_000_000_000, 5, "hello")
			reader := bytes.NewReader(nil)
			for b.Loop() {
				id++ // another update
				for n, at := id, bytes.IndexByte(body, ',')-1; n > 0; n, at = n/10, at-1 {
					body[at] = byte('0' + n%10)
				}
				reader.Reset(body)
				r := r.WithContext(context.WithValue(ctx, caddy.ReplacerCtxKey, caddy.NewReplacer()))
				r.Header[telegram.SecretHeader] = header
				r.Body, r.ContentLength = io.NopCloser(reader), int64(len(body))
				if err := bench.serve(discard{}, r); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// discard is a client that takes everything.
type discard struct{}

func (discard) Header() http.Header         { return http.Header{} }
func (discard) Write(b []byte) (int, error) { return len(b), nil }
func (discard) WriteHeader(int)             {}

func BenchmarkVerify(b *testing.B) {
	h := provision(b, new(Handler))
	for name, r := range map[string]*http.Request{
		"right": request(somebody, rightSecret),
		"wrong": request(somebody, "wrong"),
		"none":  request(somebody),
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				verify(h, r)
			}
		})
	}
}

// BenchmarkRefuse is all that the handler does with a forgery once the audit log
// is at its bound.
func BenchmarkRefuse(b *testing.B) {
	h := provision(b, new(Handler))
	w := httptest.NewRecorder()
	r := request(somebody, "wrong")
	b.ReportAllocs()
	for b.Loop() {
		_ = h.ServeHTTP(w, r, nil)
	}
}
