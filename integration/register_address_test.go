package integration

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/caddy-telegram/telegramwebhook/integration/caddytest"
)

// TestSameAddress has two bots whose webhooks would have the same address, which
// is known only once the configuration runs: the second is not registered, and
// says which two they are.
func TestSameAddress(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		first, second []string // more lines in the directive
		path          string   // of the second's handle
	}{
		"the same path":                     {nil, nil, "/telegram"},
		"another path, the same url":        {nil, []string{"url /telegram"}, "/other"},
		"the first is written out in full":  {[]string{"url https://LOCALHOST:PORT/telegram"}, nil, "/telegram"},
		"the second is written out in full": {nil, []string{"url https://localhost:PORT/telegram"}, "/other"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			api, address := caddytest.StartTelegram(t)
			admin, port := caddytest.FreePort(t), caddytest.FreePort(t)
			guard := func(token string, lines ...string) string {
				text := strings.Join(append([]string{"telegram_webhook {env.TELEGRAM_SECRET} {", "bot_token {env." + token + "}", "certificate internal", "api " + address},
					append(lines, "}")...), "\n\t\t")
				return strings.ReplaceAll(text, "PORT", fmt.Sprint(port))
			}
			site := func(handles ...string) string {
				return fmt.Sprintf("{\n\tadmin localhost:%d\n\tskip_install_trust\n\tauto_https disable_redirects\n}\nhttps://localhost:%d {\n", admin, port) +
					strings.Join(handles, "") + "}\n"
			}
			first := handle("/telegram", guard("TELEGRAM_TOKEN", tc.first...), "reverse_proxy 127.0.0.1:9")
			second := func(path string, lines ...string) string {
				return handle(path, guard("TELEGRAM_OTHER_TOKEN", lines...), "reverse_proxy 127.0.0.1:9")
			}
			c := caddytest.Start(t, site(first, second(tc.path, tc.second...)))
			state := func() string {
				var lines []string
				for line := range strings.Lines(caddytest.Metrics(t, admin)) {
					if strings.HasPrefix(line, "caddy_telegram_webhook_registered{") {
						lines = append(lines, strings.TrimSpace(line))
					}
				}
				return strings.Join(lines, " ")
			}
			metric := `caddy_telegram_webhook_registered{name="%s"} %d`
			oneOf := fmt.Sprintf(metric+" "+metric, "123456789", 1, "987654321", 0)
			loser := "987654321"
			if tc.second != nil && strings.Contains(tc.second[0], "://") {
				// What is written out is known first.
				oneOf, loser = fmt.Sprintf(metric+" "+metric, "123456789", 0, "987654321", 1), "123456789"
			}
			caddytest.WaitUntil(t, "one is registered and the other not", func() bool { return state() == oneOf })
			told := ""
			for line := range strings.Lines(c.Out.String()) {
				if strings.Contains(line, "webhook not registered") {
					told += line
				}
			}
			for _, want := range []string{`"name":"` + loser + `"`, "bot 123456789", "bot 987654321", "a site or a path of its own", "correct the configuration and reload"} {
				if !strings.Contains(told, want) {
					t.Errorf("no %s in what the log says: %s", want, told)
				}
			}
			wantSetWebhook(t, api, 1, "for two bots at one address")

			caddytest.Load(t, admin, site(first, second("/other")))
			both := fmt.Sprintf(metric+" "+metric, "123456789", 1, "987654321", 1)
			caddytest.WaitUntil(t, "both are registered, each at its own address", func() bool { return state() == both })

			// What is not kept registered any more is not measured any more.
			caddytest.Load(t, admin, site(first))
			if got, want := state(), fmt.Sprintf(metric, "123456789", 1); got != want {
				t.Errorf("without the second bot the metrics say %s, want %s", got, want)
			}
		})
	}
}

// TestURLFromEnvironment writes the address, and what goes with it, as
// placeholders.
func TestURLFromEnvironment(t *testing.T) {
	api, address := caddytest.StartTelegram(t)
	port := caddytest.FreePort(t)
	for name, value := range map[string]string{
		"PUBLIC_URL": fmt.Sprintf("https://localhost:%d", port), "HOOK": "hook-7", "BOT_API": address, "CERTIFICATE": "internal", "ADDRESS": "127.0.0.1",
	} {
		t.Setenv(name, value)
	}
	bot := caddytest.StartBot(t, func(http.ResponseWriter, *http.Request) {})
	config := registeringSite(port, "{env.BOT_API}", bot, "admin off", "url {env.PUBLIC_URL}/{env.HOOK}", "ip_address {env.ADDRESS}")
	c := caddytest.Start(t, strings.Replace(config, "certificate internal", "certificate {env.CERTIFICATE}", 1))
	c.Out.Wait(t, "webhook registered")
	w := api.Webhook(caddytest.BotToken)
	if want := fmt.Sprintf("https://localhost:%d/hook-7", port); w.URL != want || w.IPAddress != "127.0.0.1" || w.RootCAs == nil {
		t.Errorf("registered %q at %q, with certificate: %v; want %q", w.URL, w.IPAddress, w.RootCAs != nil, want)
	}
}
