package deliver

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2"

	"github.com/caddy-telegram/telegramwebhook/internal/telegram"
	"github.com/caddy-telegram/telegramwebhook/internal/telegramtest"
)

func newRequest(body []byte) (*http.Request, *caddy.Replacer) {
	repl := caddy.NewReplacer()
	r := httptest.NewRequest(http.MethodPost, "/", bytes.NewReader(body))
	return r.WithContext(context.WithValue(r.Context(), caddy.ReplacerCtxKey, repl)), repl
}

// provided returns a request with that body that has the placeholders, and what
// replaces them.
func provided(body []byte) (*http.Request, *caddy.Replacer) {
	r, repl := newRequest(body)
	ReadUpdate(r, "shop", "123456789", longest)
	return r, repl
}

const all = "{http.telegram_webhook.update_id}|{http.telegram_webhook.update_type}|{http.telegram_webhook.chat_id}|{http.telegram_webhook.user_id}"

// TestPlaceholders asks what updates of all types are.
func TestPlaceholders(t *testing.T) {
	for kind, body := range telegramtest.Updates() {
		t.Run(kind, func(t *testing.T) {
			u := telegram.ParseUpdate(string(body))
			r, repl := provided(body)
			want := strings.Join([]string{formatID(u.ID), kind, formatID(u.Chat), formatID(u.User)}, "|")
			if got := repl.ReplaceAll(all, ""); got != want {
				t.Errorf("got %s, want %s", got, want)
			}
			if got := repl.ReplaceAll("{http.telegram_webhook.name}|{http.telegram_webhook.bot_id}", ""); got != "shop|123456789" {
				t.Errorf("the webhook is %s", got)
			}
			if got, err := io.ReadAll(r.Body); !bytes.Equal(got, body) || err != nil {
				t.Errorf("the bot gets something else: %v", err)
			}
			if r.ContentLength != int64(len(body)) {
				t.Errorf("Content-Length is %d, want %d", r.ContentLength, len(body))
			}
			if _, known := repl.Get("http.telegram_webhook.other"); known {
				t.Error("a placeholder is known that does not exist")
			}
		})
	}
}

// TestNoUpdate gives what is no update: the placeholders are there, and empty.
func TestNoUpdate(t *testing.T) {
	for _, body := range []string{"", "hello", `{"update_id":1`, `{"update_id":1}}`, "[]", "null", `{"update_id":"1"}`, "{}"} {
		r, repl := provided([]byte(body))
		if got, err := repl.ReplaceOrErr(all, false, true); got != "|||" || err != nil {
			t.Errorf("%q: got %s, %v", body, got, err)
		}
		if got, err := io.ReadAll(r.Body); string(got) != body || err != nil {
			t.Errorf("%q: the bot gets %q, %v", body, got, err)
		}
	}
}

// TestRefused replaces every placeholder of a request that was refused by nothing.
func TestRefused(t *testing.T) {
	r, repl := newRequest(telegramtest.Updates()["message"])
	ClearPlaceholders(r)
	got, err := repl.ReplaceOrErr(all+"|{http.telegram_webhook.name}|{http.telegram_webhook.bot_id}", false, true)
	if got != "|||||" || err != nil {
		t.Errorf("got %q, %v", got, err)
	}
	if _, known := repl.Get("http.telegram_webhook.other"); known {
		t.Error("a placeholder is known that does not exist")
	}
}

// TestType bounds what somebody who knows the secret can write into headers and
// logs.
func TestType(t *testing.T) {
	for kind, want := range map[string]string{
		"message":                "message",
		"message_v2":             "message_v2",
		strings.Repeat("x", 64):  strings.Repeat("x", 64),
		strings.Repeat("x", 65):  "",
		`a\r\nX-Evil: 1`:         "",
		`a\nb`:                   "",
		"Message":                "",
		"a b":                    "",
		`{http.request.host}`:    "",
		"сообщение":              "",
		`message\u0000`:          "",
		`mess\u0061ge`:           "message",
		strings.Repeat("é", 300): "",
	} {
		_, repl := provided([]byte(`{"update_id":1,"` + kind + `":{"chat":{"id":5}}}`))
		if got, _ := repl.Get("http.telegram_webhook.update_type"); got != want {
			t.Errorf("%q: got %q, want %q", kind, got, want)
		}
		if got, _ := repl.Get("http.telegram_webhook.chat_id"); got != "5" {
			t.Errorf("%q: the chat is %q", kind, got)
		}
	}
}
