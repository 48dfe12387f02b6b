package integration

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/caddy-telegram/telegramwebhook/integration/caddytest"
	"github.com/caddy-telegram/telegramwebhook/internal/telegramtest"
)

// startSeeingBot is a bot, and what tells the secret in the last request that has
// come to it since that was asked before.
func startSeeingBot(t testing.TB) (address string, secretSeen func() string) {
	var seen atomic.Pointer[string]
	address = caddytest.StartBot(t, func(_ http.ResponseWriter, r *http.Request) {
		values := strings.Join(r.Header[caddytest.SecretHeader], "|")
		seen.Store(&values)
	})
	return address, func() string {
		if last := seen.Swap(nil); last != nil {
			return *last
		}
		return "(no request)"
	}
}

// TestOtherServers has bots that check the header by themselves, on servers of
// the same configuration that no gate guards. Caddy provisions the servers in any
// order, so it is tried several times.
func TestOtherServers(t *testing.T) {
	t.Parallel()
	bot, seen := startSeeingBot(t)
	gated, direct, invoked, failed := caddytest.FreePort(t), caddytest.FreePort(t), caddytest.FreePort(t), caddytest.FreePort(t)
	c := caddytest.Start(t, caddytest.Globals()+fmt.Sprintf(`&(other) {
	reverse_proxy %[1]s
}
https://localhost:%[2]d {
	telegram_webhook {env.TELEGRAM_SECRET}
	reverse_proxy %[1]s
}
http://:%[3]d {
	reverse_proxy %[1]s
}
http://:%[4]d {
	invoke other
}
http://:%[5]d {
	error 418
	handle_errors {
		reverse_proxy %[1]s
	}
}
`, bot, gated, direct, invoked, failed))
	for range size(8, 2) {
		for name, port := range map[string]int{"direct": direct, "invoked": invoked, "in an error route": failed} {
			caddytest.Do(t, http.DefaultClient, caddytest.Update(t, fmt.Sprintf("http://127.0.0.1:%d/", port), "whatever"))
			if v := seen(); v != "whatever" {
				t.Errorf("%s: the bot got the secret %q, want %q", name, v, "whatever")
			}
		}
		http.DefaultClient.CloseIdleConnections()
		c.Restart()
	}
}

// TestWhatTheBotSees looks at the request that reaches the bot.
func TestWhatTheBotSees(t *testing.T) {
	t.Parallel()
	bot, seen := startSeeingBot(t)
	port := caddytest.FreePort(t)
	c := caddytest.Start(t, caddytest.Globals()+fmt.Sprintf(`https://localhost:%d {
	handle /plain {
		telegram_webhook {env.TELEGRAM_SECRET}
		reverse_proxy %[2]s
	}
	handle /forward {
		telegram_webhook {env.TELEGRAM_SECRET} `+caddytest.StaleSecret+` {
			forward_secret
		}
		reverse_proxy %[2]s
	}
	handle /replace {
		telegram_webhook {env.TELEGRAM_SECRET} {
			forward_secret for_the_bot_only_0123456789
		}
		reverse_proxy %[2]s
	}
	handle /replaced_before_a_matcher {
		telegram_webhook {env.TELEGRAM_SECRET} {
			forward_secret for_the_bot_only_0123456789
		}
		@post method POST
		reverse_proxy @post %[2]s
	}
	handle /set_by_the_site {
		request_header X-Telegram-Bot-Api-Secret-Token set_by_the_site
		@post method POST
		reverse_proxy @post %[2]s
	}
	handle /unguarded_rewritten {
		rewrite * /to
		reverse_proxy %[2]s
	}
	handle /unguarded_error {
		error 418
	}
	handle /unguarded {
		reverse_proxy %[2]s
	}
	handle_errors 418 {
		reverse_proxy %[2]s
	}
}
`, port, bot))
	namedPort := caddytest.FreePort(t)
	named := caddytest.Start(t, caddytest.Globals()+fmt.Sprintf(`&(gate) {
	handle {
		telegram_webhook {env.TELEGRAM_SECRET}
		reverse_proxy %[2]s
	}
}
https://localhost:%[1]d {
	handle /named {
		invoke gate
	}
	handle {
		reverse_proxy %[2]s
	}
}
`, namedPort, bot))
	// The place of a gate in a named route cannot be told, so it counts for every host.
	for _, tc := range []struct{ path, want string }{{"/other", "REDACTED"}, {"/named", ""}} {
		got := caddytest.Do(t, named.Client(), caddytest.Update(t, fmt.Sprintf("https://localhost:%d%s", namedPort, tc.path), caddytest.RightSecret))
		if v := seen(); got.Status != 200 || v != tc.want {
			t.Errorf("beside a named route, %s: got %d and the bot the secret %q, want 200 and %q\n%s", tc.path, got.Status, v, tc.want, named.Out)
		}
	}
	for _, tc := range []struct{ path, sent, want string }{
		{"/plain", caddytest.RightSecret, ""},
		{"/forward", caddytest.RightSecret, caddytest.RightSecret},
		{"/forward", caddytest.StaleSecret, caddytest.StaleSecret},
		{"/replace", caddytest.RightSecret, "for_the_bot_only_0123456789"},
		// Other handlers of the host see the placeholder.
		{"/unguarded", "whatever", "REDACTED"},
		{"/unguarded_rewritten", "whatever", "REDACTED"},
		{"/unguarded_error", "whatever", "REDACTED"},
		{"/unguarded", "REDACTED", "REDACTED"},
		{"/replaced_before_a_matcher", caddytest.RightSecret, "for_the_bot_only_0123456789"},
		{"/set_by_the_site", "whatever", "set_by_the_site"},
	} {
		t.Run(tc.path, func(t *testing.T) {
			got := caddytest.Do(t, c.Client(), caddytest.Update(t, fmt.Sprintf("https://localhost:%d%s", port, tc.path), tc.sent))
			if got.Status != 200 {
				t.Fatalf("got %d, want 200", got.Status)
			}
			if v := seen(); v != tc.want {
				t.Errorf("the bot got the secret %q, want %q", v, tc.want)
			}
		})
	}
}

// TestPlaceholders uses the placeholders wherever Caddy takes some, and looks at
// what comes of them and at what the bot gets.
func TestPlaceholders(t *testing.T) {
	t.Parallel()
	bot := caddytest.StartBot(t, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		_ = json.NewEncoder(w).Encode([]string{
			r.Header.Get("X-Up"), r.Header.Get("X-Request"), r.Header.Get("X-Map"), fmt.Sprint(r.ContentLength), string(body),
		})
	})
	port := caddytest.FreePort(t)
	c := caddytest.Start(t, caddytest.Globals()+fmt.Sprintf(`https://localhost:%d {
	log
	log_append kind {http.telegram_webhook.update_type}
	log_append who {http.telegram_webhook.name}
	map {http.telegram_webhook.update_type} {queue} {
		callback_query buttons
		default other
	}
	@long vars {http.telegram_webhook.chat_id} 555
	@odd expression `+"`{http.telegram_webhook.user_id} != \"\" && int({http.telegram_webhook.user_id}) %% 2 == 1`"+`
	@edited vars {http.telegram_webhook.update_type} edited_message
	telegram_webhook {env.TELEGRAM_SECRET} {
		name shop
	}
	header >X-Kind {http.telegram_webhook.update_type}
	request_header X-Request {http.telegram_webhook.chat_id}/{http.telegram_webhook.user_id}
	request_header X-Map {queue}
	handle @long {
		respond long
	}
	handle @edited {
		handle @odd {
			respond expression
		}
		respond even
	}
	handle {
		reverse_proxy %s {
			header_up X-Up {http.telegram_webhook.update_id}
		}
	}
}
`, port, bot))
	url := fmt.Sprintf("https://localhost:%d/", port)

	edited := bytes.Replace(telegramtest.Message(7, 5, "hi"), []byte(`"message":{`), []byte(`"edited_message":{`), 1)
	large := telegramtest.Message(8, 6, strings.Repeat("x", 300<<10))
	odd := []byte(`{"update_id":9,"evil\r\nX-Evil: 1":{"chat":{"id":5}}}`)
	for name, tc := range map[string]struct {
		body, want string
		kind       string // in the answer's header
	}{
		"a message":           {string(telegramtest.Message(6, 5, "hi")), sees("6", "5/204536821", "other", telegramtest.Message(6, 5, "hi")), "message"},
		"a long one":          {string(large), sees("8", "6/204536821", "other", large), "message"},
		"a matcher":           {string(telegramtest.Message(6, 555, "hi")), "long", "message"},
		"an expression":       {string(edited), "expression", "edited_message"},
		"… of what is absent": {`{"update_id":6,"edited_message":{}}`, "even", "edited_message"},
		"a type that is none": {string(odd), sees("9", "5/", "other", odd), ""},
		"what is no JSON":     {"hello", sees("", "/", "other", []byte("hello")), ""},
	} {
		t.Run(name, func(t *testing.T) {
			got := caddytest.Do(t, c.Client(), genuine(t, url, []byte(tc.body)))
			if got.Status != 200 || strings.TrimSpace(got.Body) != strings.TrimSpace(tc.want) {
				t.Errorf("got %d %.300q, want %.300q", got.Status, got.Body, tc.want)
			}
			if kind := got.Header.Get("X-Kind"); kind != tc.kind {
				t.Errorf("in a header of the answer the type is %q, want %q", kind, tc.kind)
			}
		})
	}
	refused := caddytest.Do(t, c.Client(), caddytest.Update(t, url, "wrong"))
	if kind, there := refused.Header["X-Kind"]; refused.Status != 403 || !there || kind[0] != "" {
		t.Errorf("refused with %d, the type in a header is %q, want it empty", refused.Status, kind)
	}
	c.Stop()
	for _, want := range []string{`"kind":"message"`, `"kind":"edited_message"`, `"kind":""`, `"who":"shop"`} {
		if !strings.Contains(c.Out.String(), want) {
			t.Errorf("no %s in the access log", want)
		}
	}
}

// sees is what the bot of TestPlaceholders answers if it gets that.
func sees(up, request, mapped string, body []byte) string {
	answer, _ := json.Marshal([]string{up, request, mapped, fmt.Sprint(len(body)), string(body)})
	return string(answer)
}

// TestLoggedAfterwards has nothing but a log_append, which uses the placeholder
// when the bot has read the update and answered.
func TestLoggedAfterwards(t *testing.T) {
	t.Parallel()
	bot := caddytest.StartBot(t, func(_ http.ResponseWriter, r *http.Request) { _, _ = io.Copy(io.Discard, r.Body) })
	port := caddytest.FreePort(t)
	c := caddytest.Start(t, caddytest.Globals()+fmt.Sprintf(`https://localhost:%d {
	log
	log_append after {http.telegram_webhook.update_id}
	telegram_webhook {env.TELEGRAM_SECRET}
	reverse_proxy %s
}
`, port, bot))
	url := fmt.Sprintf("https://localhost:%d/", port)
	caddytest.Do(t, c.Client(), genuine(t, url, telegramtest.Message(11, 5, "hi")))
	caddytest.Do(t, c.Client(), genuine(t, url, telegramtest.Message(12, 5, strings.Repeat("x", 100<<10))))
	c.Stop()
	for _, want := range []string{`"after":"11"`, `"after":"12"`} {
		if n := strings.Count(c.Out.String(), want); n != 1 {
			t.Errorf("%s is %d times in the access log, want once", want, n)
		}
	}
}
