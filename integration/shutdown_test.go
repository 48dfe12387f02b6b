package integration

import (
	"fmt"
	"net/http"
	"strings"
	"syscall"
	"testing"

	"github.com/caddy-telegram/telegramwebhook/integration/caddytest"
	"github.com/caddy-telegram/telegramwebhook/internal/telegramtest"
)

// TestCutByShutdown ends Caddy while slow bots work: what the grace period does not leave
// the time for is logged as not delivered, in a log file too. One of the updates has come to
// the configuration before.
func TestCutByShutdown(t *testing.T) {
	t.Parallel()
	working, finish := make(chan struct{}, 10), make(chan struct{})
	bot := caddytest.StartBot(t, func(http.ResponseWriter, *http.Request) {
		working <- struct{}{}
		<-finish
	})
	t.Cleanup(func() { close(finish) }) // before the bot is closed
	admin, port := caddytest.FreePort(t), caddytest.FreePort(t)
	config := func(generation int) string {
		return fmt.Sprintf(`{
	admin localhost:%d
	skip_install_trust
	auto_https disable_redirects
	grace_period 100ms
	log file {
		output file caddy.log
	}
}
https://localhost:%d {
	header X-Generation %d
	handle /one {
		telegram_webhook {env.TELEGRAM_SECRET} {
			name one
		}
		reverse_proxy %[4]s
	}
	handle /two {
		telegram_webhook {env.TELEGRAM_SECRET} {
			name two
			dedupe
		}
		reverse_proxy %[4]s
	}
	handle /idle {
		telegram_webhook {env.TELEGRAM_SECRET} {
			name idle
		}
		reverse_proxy %[4]s
	}
}
`, admin, port, generation, bot)
	}
	c := caddytest.Start(t, config(1))
	client := c.Client()
	send := func(path string) {
		t.Helper()
		r := caddytest.Update(t, fmt.Sprintf("https://localhost:%d%s", port, path), caddytest.RightSecret)
		go func() {
			if resp, err := client.Do(r); err == nil { // there is none
				_ = resp.Body.Close()
			}
		}()
		caddytest.Within(t, "the bot works", working)
	}
	send("/one")
	caddytest.Load(t, admin, config(2))
	send("/one")
	send("/two")
	c.Stop()
	log := caddytest.ReadFile(t, c.File("caddy.log"))
	for name, want := range map[string]string{"one": `"updates":2`, "two": `"updates":1`, "idle": ""} {
		found := ""
		for line := range strings.Lines(log) {
			if strings.Contains(line, `"msg":"updates not delivered before the exit"`) && strings.Contains(line, fmt.Sprintf(`"name":%q`, name)) {
				found += line
			}
		}
		if strings.Count(found, "\n") != min(len(want), 1) || !strings.Contains(found, want) {
			t.Errorf("%s: the log says %q, want %s", name, found, want)
		}
	}
}

// TestPollCutByShutdown is the same for an update that was fetched.
func TestPollCutByShutdown(t *testing.T) {
	t.Parallel()
	api, address := caddytest.StartTelegram(t)
	bot := startPolledBot(t)
	working, finish := make(chan struct{}, 10), make(chan struct{})
	bot.answer = func(http.ResponseWriter, int64, int64) {
		working <- struct{}{}
		<-finish
	}
	t.Cleanup(func() { close(finish) })
	config := pollSite(caddytest.FreePort(t), caddytest.FreePort(t), address, bot.address, "name bot")
	c := caddytest.Start(t, strings.Replace(config, "{\n", "{\n\tgrace_period 100ms\n", 1))
	api.Send(caddytest.BotToken, telegramtest.Message(1, 1, "hello"))
	caddytest.Within(t, "the bot works", working)
	c.Stop()
	if n := strings.Count(c.Out.String(), "updates not delivered before the exit"); n != 1 {
		t.Errorf("logged %d times, want once:\n%s", n, c.Out)
	}
}

// TestShutdownDelay has Caddy serve on while it says that it is not ready any more.
func TestShutdownDelay(t *testing.T) {
	t.Parallel()
	admin, port := caddytest.FreePort(t), caddytest.FreePort(t)
	bot := caddytest.StartBot(t, func(http.ResponseWriter, *http.Request) {})
	c := caddytest.Start(t, fmt.Sprintf(`{
	admin localhost:%d
	shutdown_delay 1m
}
http://localhost:%d {
	telegram_webhook {env.TELEGRAM_SECRET} {
		allow_http
	}
	reverse_proxy %s
}
`, admin, port, bot))
	_ = c.Cmd.Process.Signal(syscall.SIGTERM)
	caddytest.WaitUntil(t, "it is not ready", func() bool {
		code, _ := operate(t, admin, http.MethodGet, "ready")
		return code == http.StatusServiceUnavailable
	})
	url := fmt.Sprintf("http://localhost:%d/", port)
	if resp := caddytest.Do(t, http.DefaultClient, caddytest.Update(t, url, caddytest.RightSecret)); resp.Status != http.StatusOK {
		t.Errorf("an update gets %d", resp.Status)
	}
	_ = c.Cmd.Process.Kill()
	_ = c.Cmd.Wait()
}
