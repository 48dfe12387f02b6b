package integration

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/caddy-telegram/telegramwebhook/integration/caddytest"
	"github.com/caddy-telegram/telegramwebhook/internal/telegramtest"
)

// TestTwoBotsWithTheSameUpdate has updates of the same id for several bots. None
// is taken for another's, whatever tells the bots apart.
func TestTwoBotsWithTheSameUpdate(t *testing.T) {
	t.Parallel()
	bot := startCountingBot(t)
	_, telegram := caddytest.StartTelegram(t)
	port := caddytest.FreePort(t)
	config := caddytest.Globals() + fmt.Sprintf("https://localhost:%d {\n", port)
	sites := map[string]string{
		"/place": "dedupe", "/other_place": "dedupe", // told apart by where they stand
		"/name": "dedupe\n\t\t\tname one", "/other_name": "dedupe\n\t\t\tname two",
		"/token":       fmt.Sprintf("dedupe\n\t\t\tbot_token {env.TELEGRAM_TOKEN}\n\t\t\tapi %s\n\t\t\turl https://bot.example.com:%d/token", telegram, port),
		"/other_token": fmt.Sprintf("dedupe\n\t\t\tbot_token {env.TELEGRAM_OTHER_TOKEN}\n\t\t\tapi %s\n\t\t\turl https://bot.example.com:%d/other_token", telegram, port),
	}
	for path, lines := range sites {
		config += fmt.Sprintf("\thandle %s {\n\t\ttelegram_webhook {env.TELEGRAM_SECRET} {\n\t\t\t%s\n\t\t}\n\t\treverse_proxy %s\n\t}\n", path, lines, bot.address)
	}
	c := caddytest.Start(t, config+"}\n")
	calls := 0
	for path := range sites {
		calls++
		for range 3 {
			if got := caddytest.Do(t, c.Client(), genuine(t, fmt.Sprintf("https://localhost:%d%s", port, path), telegramtest.Message(1, 1, "hello"))); got.Status != 200 {
				t.Errorf("%s: got %d", path, got.Status)
			}
		}
		bot.want(t, path, 1, calls)
	}
}

// TestUpdatesWithoutID passes on what has no id that it could be known by, as
// often as it comes.
func TestUpdatesWithoutID(t *testing.T) {
	t.Parallel()
	var calls atomic.Int64
	bot := caddytest.StartBot(t, func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		calls.Add(1)
	})
	port := caddytest.FreePort(t)
	c := caddytest.Start(t, dedupeSite(caddytest.FreePort(t), port, bot, "dedupe", "max_body 1000"))
	url := fmt.Sprintf("https://localhost:%d/", port)
	for i, body := range []string{"hello", "{}", `{"update_id":"1"}`, `{"update_id":1}}`} {
		for range 2 {
			if got := caddytest.Do(t, c.Client(), genuine(t, url, []byte(body))); got.Status != 200 {
				t.Errorf("%s: got %d", body, got.Status)
			}
		}
		if n := calls.Load(); n != int64(2*i+2) {
			t.Errorf("%s: the bot has got %d, want %d", body, n, 2*i+2)
		}
	}
	r := genuine(t, url, telegramtest.Message(1, 1, strings.Repeat("x", 1000)))
	r.ContentLength = -1
	if got := caddytest.Do(t, c.Client(), r); got.Status != http.StatusRequestEntityTooLarge {
		t.Errorf("a body that is too long: got %d, want 413", got.Status)
	}
}

// TestBotThatAnswersEarly answers before it has read the update, which the proxy
// still sends then, while others ask what the update is.
func TestBotThatAnswersEarly(t *testing.T) {
	t.Parallel()
	bot := caddytest.StartBot(t, func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, caddytest.MethodBody)
		_ = http.NewResponseController(w).Flush()
	})
	port := caddytest.FreePort(t)
	c := caddytest.Start(t, caddytest.Globals()+fmt.Sprintf(`https://localhost:%[1]d {
	log
	log_append update {http.telegram_webhook.update_id}
	handle /once {
		telegram_webhook {env.TELEGRAM_SECRET} {
			dedupe
		}
		reverse_proxy %[2]s
	}
	handle {
		telegram_webhook {env.TELEGRAM_SECRET}
		reverse_proxy %[2]s
	}
}
`, port, bot))
	client := c.Client()
	for id := range int64(100) {
		for _, path := range []string{"once", "often"} {
			// Whether the bot's connection breaks before its answer is read is a
			// matter of luck.
			caddytest.Do(t, client, genuine(t, fmt.Sprintf("https://localhost:%d/%s", port, path), telegramtest.Message(id, 1, strings.Repeat("x", 200<<10))))
		}
	}
	c.Stop()
	if strings.Contains(c.Out.String(), "DATA RACE") {
		t.Errorf("%s", c.Out)
	}
}
