package integration

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/caddy-telegram/telegramwebhook/integration/caddytest"
)

// TestMetrics counts for two webhooks of one configuration, over a reload.
func TestMetrics(t *testing.T) {
	t.Parallel()
	bot := caddytest.StartBot(t, func(http.ResponseWriter, *http.Request) {})
	admin, port := caddytest.FreePort(t), caddytest.FreePort(t)
	config := fmt.Sprintf(`{
	admin localhost:%d
	skip_install_trust
	auto_https disable_redirects
}
https://localhost:%d {
	handle /one {
		telegram_webhook {env.TELEGRAM_SECRET} {
			name one
		}
		reverse_proxy %[3]s
	}
	handle /two {
		telegram_webhook {env.TELEGRAM_SECRET}
		reverse_proxy %[3]s
	}
}
`, admin, port, bot)
	c := caddytest.Start(t, config)
	client := c.Client()
	round := func() {
		for _, path := range []string{"/one", "/two"} {
			url := fmt.Sprintf("https://localhost:%d%s", port, path)
			caddytest.Do(t, client, caddytest.Update(t, url, caddytest.RightSecret))
			caddytest.Do(t, client, caddytest.Update(t, url, "wrong"))
			caddytest.Do(t, client, caddytest.Update(t, url))
		}
	}
	round()
	reload := c.Command("reload", "--force", "--config", c.File("Caddyfile"), "--address", fmt.Sprintf("localhost:%d", admin))
	if out, err := reload.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	round()

	body := caddytest.Metrics(t, admin)
	for _, want := range []string{
		`caddy_telegram_webhook_requests_total{name="one",result="passed"} 2`,
		`caddy_telegram_webhook_requests_total{name="one",result="wrong_secret"} 2`,
		`caddy_telegram_webhook_requests_total{name="one",result="no_secret"} 2`,
		`caddy_telegram_webhook_requests_total{name="localhost/two",result="passed"} 2`,
		`caddy_telegram_webhook_delivery_duration_seconds_count{code="200",name="one"} 2`,
		`caddy_telegram_webhook_delivery_duration_seconds_count{code="200",name="localhost/two"} 2`,
	} {
		if !strings.Contains(body, want+"\n") {
			t.Errorf("no %s in the metrics", want)
		}
	}
	if t.Failed() {
		for line := range strings.Lines(body) {
			if strings.Contains(line, "telegram") {
				t.Log(line)
			}
		}
	}
}
