package integration

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/caddy-telegram/telegramwebhook/integration/caddytest"
)

// TestWarnings has configurations that load but do not do what they should.
func TestWarnings(t *testing.T) {
	t.Parallel()
	const gate = "telegram_webhook {env.TELEGRAM_SECRET}"
	for name, tc := range map[string]struct{ options, site, want string }{
		"basic_auth": {"", "basic_auth {\n\t\tme $2a$14$Zkx19XLiW6VYouLHR5NmfOFU0z2GTNmpkT/5qqR7hx4IjWJPDhjvG\n\t}\n\thandle {\n\t\t" + gate + "\n\t}",
			`"handler":"http.handlers.authentication"`},
		"forward_auth": {"", "forward_auth 127.0.0.1:1 {\n\t\turi /\n\t}\n\thandle /bot {\n\t\t" + gate + "\n\t}",
			`"handler":"http.handlers.reverse_proxy"`},
		"a proxy in a route": {"", "route {\n\t\treverse_proxy 127.0.0.1:1\n\t\t" + gate + "\n\t}",
			`"handler":"http.handlers.reverse_proxy"`},
		"write timeout": {"servers {\n\t\ttimeouts {\n\t\t\twrite 30s\n\t\t}\n\t}", gate,
			`"msg":"write timeout of the server shorter than Telegram waits","write_timeout":30`},
		"a token in the path": {"", "handle /bot123456789:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa {\n\t\t" + gate + "\n\t}",
			`"msg":"bot token in the webhook's path"`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := caddytest.Start(t, caddytest.Globals(tc.options)+fmt.Sprintf("https://localhost:%d {\n\t%s\n}\n", caddytest.FreePort(t), tc.site))
			c.Out.Wait(t, tc.want)
			if strings.Contains(c.Out.String(), "aaaaaaaa\"") {
				t.Errorf("a token is told:\n%s", c.Out)
			}
		})
	}
	t.Run("nothing to warn of", func(t *testing.T) {
		t.Parallel()
		c := caddytest.Start(t, caddytest.Globals("servers {\n\t\ttimeouts {\n\t\t\twrite 2m\n\t\t}\n\t}")+
			fmt.Sprintf("https://localhost:%d {\n\tbasic_auth /admin/* {\n\t\tme $2a$14$Zkx19XLiW6VYouLHR5NmfOFU0z2GTNmpkT/5qqR7hx4IjWJPDhjvG\n\t}\n\thandle /ok {\n\t\trespond ok\n\t}\n\thandle {\n\t\t%s\n\t}\n}\n", caddytest.FreePort(t), gate))
		c.Stop()
		if strings.Contains(c.Out.String(), `"logger":"http.handlers.telegram_webhook"`) {
			t.Errorf("it warns:\n%s", c.Out)
		}
	})
}

// TestTokenInPathOfSecretAlone has a bot's token in the path, as some set-ups do for want of a
// secret. Nothing but Caddy's own access log has it.
func TestTokenInPathOfSecretAlone(t *testing.T) {
	t.Parallel()
	const path = "/bot" + caddytest.BotToken
	admin, port := caddytest.FreePort(t), caddytest.FreePort(t)
	c := caddytest.Start(t, fmt.Sprintf(`{
	admin localhost:%d
	metrics
	skip_install_trust
	auto_https disable_redirects
}
https://localhost:%d {
	handle %s {
		telegram_webhook {env.TELEGRAM_SECRET}
		respond ok
	}
	handle {
		respond other
	}
}
`, admin, port, path))
	client := c.Client()
	caddytest.Do(t, client, caddytest.Update(t, fmt.Sprintf("https://localhost:%d%s", port, path), caddytest.ForgedSecret))
	caddytest.Do(t, client, caddytest.Update(t, fmt.Sprintf("https://localhost:%d%s/other", port, path), caddytest.ForgedSecret))
	for _, path := range []string{"/metrics", "/telegram_webhook/"} {
		reportSecrets(t, path, []byte(caddytest.Get(t, admin, path)), []string{caddytest.BotToken, strings.ToLower(caddytest.BotToken)})
	}
	c.Stop()
	reportSecrets(t, "the output", []byte(c.Out.String()), []string{caddytest.BotToken, strings.ToLower(caddytest.BotToken)})
	if !strings.Contains(c.Out.String(), `"reason":"wrong_secret"`) || !strings.Contains(c.Out.String(), "reached no telegram_webhook") {
		t.Errorf("the test has not seen what it is about:\n%s", c.Out)
	}
}

// TestWriteTimeout has an answer that the server cuts off.
func TestWriteTimeout(t *testing.T) {
	t.Parallel()
	bot := caddytest.StartBot(t, func(w http.ResponseWriter, _ *http.Request) {
		<-time.After(1200 * time.Millisecond) // longer than the server's time-out
		w.WriteHeader(http.StatusOK)
	})
	admin, port := caddytest.FreePort(t), caddytest.FreePort(t)
	c := caddytest.Start(t, fmt.Sprintf(`{
	admin localhost:%d
	metrics
	skip_install_trust
	auto_https disable_redirects
	servers {
		timeouts {
			write 1s
		}
	}
}
https://localhost:%d {
	telegram_webhook {env.TELEGRAM_SECRET}
	reverse_proxy %s
}
`, admin, port, bot))
	if resp, err := c.Client().Do(caddytest.Update(t, fmt.Sprintf("https://localhost:%d/", port), caddytest.RightSecret)); err == nil {
		resp.Body.Close()
		t.Errorf("got %d; the test has not seen what it is about", resp.StatusCode)
	}
	c.Out.Wait(t, `"reason":"broken"`)
	if metrics := caddytest.Get(t, admin, "/metrics"); !strings.Contains(metrics, `delivery_duration_seconds_count{code="none",name="localhost"} 1`) {
		t.Errorf("the metrics count another outcome:\n%s", metrics)
	}
}
