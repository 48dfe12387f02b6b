package integration

import (
	"bufio"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/caddy-telegram/telegramwebhook/integration/caddytest"
	"github.com/caddy-telegram/telegramwebhook/internal/telegram"
)

// TestRefusalDoesNotWaitForTheBody gets the answer to a forgery whose body never
// comes: net/http would wait for it.
func TestRefusalDoesNotWaitForTheBody(t *testing.T) {
	t.Parallel()
	port := caddytest.FreePort(t)
	c := caddytest.Start(t, caddytest.Globals()+fmt.Sprintf("https://localhost:%d {\n\ttelegram_webhook {env.TELEGRAM_SECRET}\n}\n", port))
	// Whether there is a header or none, the connection must end in the same way.
	for _, more := range []string{"Content-Length: 100\r\n", "Content-Length: 10000000\r\n", "Content-Length: 100\r\nExpect: 100-continue\r\n"} {
		var ends []bool
		for _, header := range []string{"", caddytest.SecretHeader + ": wrong\r\n"} {
			conn, err := tls.Dial("tcp", fmt.Sprintf("localhost:%d", port), &tls.Config{RootCAs: c.Roots()})
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			// Below Caddy's own bound of a minute, and far above ours of a second.
			_ = conn.SetDeadline(time.Now().Add(caddytest.Patience / 2))
			fmt.Fprintf(conn, "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n%s%s\r\n", header, more)
			resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
			if err != nil {
				t.Fatal(err)
			}
			resp.Body.Close()
			if resp.StatusCode != http.StatusForbidden {
				t.Errorf("%q: got %d, want 403", more, resp.StatusCode)
			}
			ends = append(ends, resp.Close)
		}
		if ends[0] != ends[1] {
			t.Errorf("%q: the connection is closed without a header: %v, with a wrong one: %v", more, ends[0], ends[1])
		}
	}
}

// TestUnannouncedBody bounds a body whose length is not in the header.
func TestUnannouncedBody(t *testing.T) {
	t.Parallel()
	const maximum = telegram.MaxUpdate
	got := make(chan int, 2)
	bot := caddytest.StartBot(t, func(_ http.ResponseWriter, r *http.Request) {
		n, _ := io.Copy(io.Discard, r.Body)
		got <- int(n)
	})
	port := caddytest.FreePort(t)
	c := caddytest.Start(t, caddytest.Globals()+fmt.Sprintf("https://localhost:%d {\n\ttelegram_webhook {env.TELEGRAM_SECRET} {\n\t\tmax_body %d\n\t}\n\treverse_proxy %s\n}\n", port, maximum, bot))
	for n, want := range map[int]int{maximum: http.StatusOK, maximum + 1: http.StatusRequestEntityTooLarge} {
		r := caddytest.Update(t, fmt.Sprintf("https://localhost:%d", port), caddytest.RightSecret)
		r.Body, r.ContentLength = io.NopCloser(strings.NewReader(strings.Repeat("x", n))), -1
		if resp := caddytest.Do(t, c.Client(), r); resp.Status != want {
			t.Errorf("%d bytes: got %d, want %d", n, resp.Status, want)
		}
	}
	if passed := <-got; passed != maximum || len(got) > 0 {
		t.Errorf("the bot got %d bytes, and %d more requests", passed, len(got))
	}
	c.Out.Wait(t, `"reason":"too_large"`)
}

// TestBehindProxy takes the test for the proxy before Caddy, once trusted and
// once a stranger, and says who the client is and how it came.
func TestBehindProxy(t *testing.T) {
	t.Parallel()
	bot := caddytest.StartBot(t, func(http.ResponseWriter, *http.Request) {})
	behind := func(trusted string) (url string) {
		port := caddytest.FreePort(t)
		caddytest.Start(t, caddytest.Globals(fmt.Sprintf("servers {\n\t\ttrusted_proxies static %s\n\t\ttrusted_proxies_strict\n\t}", trusted))+
			fmt.Sprintf("http://localhost:%d {\n\ttelegram_webhook {env.TELEGRAM_SECRET} {\n\t\tsource telegram\n\t}\n\treverse_proxy %s\n}\n", port, bot))
		return fmt.Sprintf("http://localhost:%d/", port)
	}
	trusted, stranger := behind("127.0.0.1/32"), behind("192.0.2.0/24")
	for name, tc := range map[string]struct {
		url        string
		client     string
		proto      string
		wantStatus int
		wantHSTS   string
	}{
		"trusted, Telegram over https":         {trusted, "149.154.167.220", "https", 200, defaultHSTS},
		"trusted, IPv6-mapped Telegram":        {trusted, "::ffff:149.154.167.220", "https", 200, defaultHSTS},
		"trusted, Telegram over http":          {trusted, "149.154.167.220", "http", 403, ""},
		"trusted, a stranger over https":       {trusted, "203.0.113.9", "https", 403, defaultHSTS},
		"trusted, a stranger who is not alone": {trusted, "149.154.167.220, 203.0.113.9", "https", 403, defaultHSTS},
		"a stranger who says all the right":    {stranger, "149.154.167.220", "https", 403, ""},
	} {
		t.Run(name, func(t *testing.T) {
			r := caddytest.Update(t, tc.url, caddytest.RightSecret)
			r.Header.Set("X-Forwarded-For", tc.client)
			r.Header.Set("X-Forwarded-Proto", tc.proto)
			got := caddytest.Do(t, http.DefaultClient, r)
			if got.Status != tc.wantStatus {
				t.Errorf("got %d, want %d", got.Status, tc.wantStatus)
			}
			if hsts := got.Header.Get("Strict-Transport-Security"); hsts != tc.wantHSTS {
				t.Errorf("Strict-Transport-Security: got %q, want %q", hsts, tc.wantHSTS)
			}
		})
	}
}

// refusal is what the log says of a refused request.
type refusal struct{ Reason, Host, Path string }

// refuse sends a request with a wrong secret to a webhook that is registered.
func refuse(t testing.TB, host, path string) (logged refusal) {
	t.Helper()
	_, api := caddytest.StartTelegram(t)
	port := caddytest.FreePort(t)
	c := caddytest.Start(t, caddytest.Globals()+fmt.Sprintf("http://:%d {\n\ttelegram_webhook {env.TELEGRAM_SECRET} {\n"+
		"\t\tbot_token {env.TELEGRAM_TOKEN}\n\t\tapi %s\n\t\turl https://bot.localhost/\n\t\tallow_http\n\t}\n}\n", port, api))
	r := caddytest.Update(t, fmt.Sprintf("http://localhost:%d%s", port, path), "wrong")
	r.Host = host
	if got := caddytest.Do(t, http.DefaultClient, r); got.Status != http.StatusForbidden {
		t.Errorf("got %d, want 403", got.Status)
	}
	c.Stop()
	for line := range strings.Lines(c.Out.String()) {
		if strings.Contains(line, "webhook request refused") {
			if err := json.Unmarshal([]byte(line), &logged); err != nil {
				t.Fatal(err)
			}
			return logged
		}
	}
	t.Fatalf("the refusal is not in the log:\n%s", c.Out)
	return logged
}

// TestLongHostAndPath bounds what a stranger can write into the log.
func TestLongHostAndPath(t *testing.T) {
	t.Parallel()
	logged := refuse(t, strings.Repeat("h", 10_000), "/"+strings.Repeat("p", 10_000))
	for field, value := range map[string]string{"host": logged.Host, "path": logged.Path} {
		if n := len(value); n != 256+len("…") {
			t.Errorf("%s: %d bytes are logged, want %d and an ellipsis", field, n, 256)
		}
	}
}

// TestTokenInPath keeps a bot token out of the log that a path holds.
func TestTokenInPath(t *testing.T) {
	t.Parallel()
	if logged := refuse(t, "bot.localhost", "/bot"+caddytest.BotToken+"/update"); logged.Path != "/bot[hidden]/update" {
		t.Errorf("the log has %v", logged.Path)
	}
}

// TestPlaceholdersOfRefusals puts a placeholder into a header of every answer: on a refusal
// it is empty.
func TestPlaceholdersOfRefusals(t *testing.T) {
	t.Parallel()
	port := caddytest.FreePort(t)
	bot := caddytest.StartBot(t, func(http.ResponseWriter, *http.Request) {})
	c := caddytest.Start(t, caddytest.Globals()+fmt.Sprintf("https://localhost:%d {\n\theader >X-Update {http.telegram_webhook.update_id}\n\ttelegram_webhook {env.TELEGRAM_SECRET}\n\treverse_proxy %s\n}\n", port, bot))
	for secret, want := range map[string]string{caddytest.RightSecret: "1", caddytest.ForgedSecret: ""} {
		got := caddytest.Do(t, c.Client(), caddytest.Update(t, fmt.Sprintf("https://localhost:%d/", port), secret))
		if values := got.Header["X-Update"]; len(values) != 1 || values[0] != want {
			t.Errorf("status %d: X-Update is %q, want %q", got.Status, values, want)
		}
	}
}
