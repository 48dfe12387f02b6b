package integration

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/caddy-telegram/telegramwebhook/integration/caddytest"
)

// TestSeveralServers has one directive that Caddy provisions on two servers: one
// webhook, registered once, at its HTTPS address.
func TestSeveralServers(t *testing.T) {
	t.Parallel()
	api, address := caddytest.StartTelegram(t)
	bot := caddytest.StartBot(t, func(http.ResponseWriter, *http.Request) {})
	admin, plain, port := caddytest.FreePort(t), caddytest.FreePort(t), caddytest.FreePort(t)
	c := caddytest.Start(t, fmt.Sprintf(`{
	admin localhost:%d
	skip_install_trust
	auto_https disable_redirects
}
http://localhost:%d, https://localhost:%d {
	telegram_webhook {
		bot_token {env.TELEGRAM_TOKEN}
		api %s
		certificate internal
		allow_http
	}
	reverse_proxy %s
}
`, admin, plain, port, address, bot))
	c.Out.Wait(t, "webhook registered")
	caddytest.WaitUntil(t, "the certificate is served", func() bool { return c.Serves(fmt.Sprintf("localhost:%d", port)) })
	webhook := api.Webhook(caddytest.BotToken)
	if want := fmt.Sprintf("https://localhost:%d/", port); webhook.URL != want {
		t.Errorf("registered is %s, want %s", webhook.URL, want)
	}
	wantSetWebhook(t, api, 1, "for one directive on two servers")
	client := c.Client()
	for _, url := range []string{fmt.Sprintf("http://localhost:%d/", plain), webhook.URL} {
		if resp := caddytest.Do(t, client, caddytest.Update(t, url, webhook.Secret)); resp.Status != http.StatusOK {
			t.Errorf("%s: got %d", url, resp.Status)
		}
	}
	if s := state(t, admin, "123456789"); s.Requests["passed"] != 2 || s.State != "registered" {
		t.Errorf("the status of both together is %+v", s)
	}
	if _, body := operate(t, admin, http.MethodGet, ""); strings.Count(body, `"state"`) != 1 {
		t.Errorf("there is not one webhook: %s", body)
	}
}

// TestSameBotTwice has equal settings twice on one server, and different ones on two.
func TestSameBotTwice(t *testing.T) {
	t.Parallel()
	c := caddytest.Start(t, caddytest.Globals())
	gate := func(more string) string {
		return "telegram_webhook {\n\t\tbot_token {env.TELEGRAM_TOKEN}\n\t\t" + more + "\n\t}"
	}
	for name, config := range map[string]string{
		"one server":              "https://localhost {\n\thandle /a {\n\t" + gate("") + "\n\t}\n\thandle /b {\n\t" + gate("") + "\n\t}\n}\n",
		"two, different settings": "https://localhost {\n\t" + gate("") + "\n}\nhttp://localhost:8080 {\n\t" + gate("max_connections 3") + "\n}\n",
	} {
		t.Run(name, func(t *testing.T) {
			if err := caddytest.WriteFile(c.File("Twice"), config); err != nil {
				t.Fatal(err)
			}
			out, err := c.Command("validate", "--adapter", "caddyfile", "--config", c.File("Twice")).CombinedOutput()
			if want := "a bot has one webhook, and a webhook one bot"; err == nil || !strings.Contains(string(out), want) {
				t.Errorf("got %v, want %q:\n%s", err, want, out)
			}
		})
	}
}
