package integration

import (
	"context"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/caddy-telegram/telegramwebhook/integration/caddytest"
	"github.com/caddy-telegram/telegramwebhook/internal/telegramtest"
)

// registeringSite is a site whose bot is registered by the gate. More lines go
// into the options block and into the directive's.
func registeringSite(port int, api, bot, options string, lines ...string) string {
	return fmt.Sprintf(`{
	%s
	skip_install_trust
	auto_https disable_redirects
}
https://localhost:%d {
	telegram_webhook {env.TELEGRAM_SECRET} {
		bot_token {env.TELEGRAM_TOKEN}
		api %s
		certificate internal
		%s
	}
	reverse_proxy %s
}
`, options, port, api, strings.Join(lines, "\n\t\t"), bot)
}

func wantSetWebhook(t *testing.T, api *telegramtest.API, n int, when string) {
	t.Helper()
	if got := len(api.Calls("setWebhook")); got != n {
		t.Errorf("%s: %d calls of setWebhook, want %d", when, got, n)
	}
}

// TestWholeWay goes from a Caddyfile to a registered webhook, over which an
// update reaches the bot; then through reloads and restarts without another call.
func TestWholeWay(t *testing.T) {
	t.Parallel()
	api, address := caddytest.StartTelegram(t)
	var handled atomic.Int64
	bot := caddytest.StartBot(t, func(http.ResponseWriter, *http.Request) { handled.Add(1) })
	admin, port := caddytest.FreePort(t), caddytest.FreePort(t)
	config := registeringSite(port, address, bot, fmt.Sprintf("admin localhost:%d", admin))
	c := caddytest.Start(t, config)
	c.Out.Wait(t, "webhook registered")

	if w := api.Webhook(caddytest.BotToken); w.URL != fmt.Sprintf("https://localhost:%d/", port) || w.Secret != caddytest.RightSecret || w.RootCAs == nil {
		t.Fatalf("registered: %q, secret right: %v, with certificate: %v", w.URL, w.Secret == caddytest.RightSecret, w.RootCAs != nil)
	}
	api.Send(caddytest.BotToken, telegramtest.Message(1, 1, "hello"))
	ctx, cancel := context.WithTimeout(context.Background(), caddytest.Patience)
	defer cancel()
	if err := api.Sender(caddytest.BotToken).Wait(ctx); err != nil {
		t.Fatalf("%v: %+v", err, api.Sender(caddytest.BotToken).Stats())
	}
	if n := handled.Load(); n != 1 {
		t.Errorf("the bot has handled %d updates, want 1", n)
	}

	for i := range 100 {
		caddytest.Load(t, admin, strings.Replace(config, "certificate internal", fmt.Sprintf("certificate internal\n\t\tretry_after %ds", i%50+1), 1))
	}
	wantSetWebhook(t, api, 1, "after 100 reloads")
	if n := strings.Count(caddytest.Get(t, admin, "/debug/pprof/goroutine?debug=2"), "registrar.(*Registrar).Run("); n != 1 {
		t.Errorf("after 100 reloads %d registrars are at work, want 1", n)
	}
	for range 10 {
		asked := len(api.Calls("getWebhookInfo"))
		c.Restart()
		caddytest.WaitUntil(t, "the restarted one has looked", func() bool { return len(api.Calls("getWebhookInfo")) > asked })
	}
	wantSetWebhook(t, api, 1, "after 10 restarts")

	const registered = `caddy_telegram_webhook_registered{name="123456789"} 1`
	caddytest.WaitUntil(t, "the metrics say so", func() bool { return strings.Contains(caddytest.Metrics(t, admin), registered) })
	caddytest.Load(t, admin, strings.Replace(config, "certificate internal", "certificate internal\n\t\tmax_connections 7", 1))
	caddytest.WaitUntil(t, "the change is registered", func() bool { return api.Webhook(caddytest.BotToken).MaxConnections == 7 })
	const calls = `caddy_telegram_webhook_set_webhook_total{name="123456789",result="ok"} 1`
	caddytest.WaitUntil(t, "the call is counted", func() bool { return strings.Contains(caddytest.Metrics(t, admin), calls) })
	for _, want := range []string{`caddy_telegram_webhook_pending_updates{name="123456789"} 0`, `caddy_telegram_webhook_last_error_timestamp_seconds{name="123456789"} 0`} {
		if !strings.Contains(caddytest.Metrics(t, admin), want) {
			t.Errorf("no %s in the metrics", want)
		}
	}
	if strings.Contains(c.Out.String(), caddytest.BotToken) {
		t.Error("the token is in the log")
	}
}

// TestFailedLoad keeps the running registration through a reload that fails.
func TestFailedLoad(t *testing.T) {
	t.Parallel()
	api, address := caddytest.StartTelegram(t)
	admin, port := caddytest.FreePort(t), caddytest.FreePort(t)
	config := registeringSite(port, address, "127.0.0.1:9", fmt.Sprintf("admin localhost:%d", admin))
	c := caddytest.Start(t, config)
	c.Out.Wait(t, "webhook registered")
	broken := strings.Replace(config, "certificate internal", "certificate internal\n\t\tmax_connections 7\n\t\turl /elsewhere", 1) +
		fmt.Sprintf("http://localhost:%d {\n\ttelegram_webhook {env.UNSET_IN_TESTS}\n}\n", caddytest.FreePort(t))
	resp, err := http.Post(fmt.Sprintf("http://localhost:%d/load", admin), "text/caddyfile", strings.NewReader(broken))
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode == http.StatusOK {
		t.Fatal("the broken configuration was loaded")
	}
	caddytest.Load(t, admin, config+"\n# the same again\n")
	wantSetWebhook(t, api, 1, "after a failed load")
}

// TestValidateCallsNothing validates and adapts: neither calls nor writes.
func TestValidateCallsNothing(t *testing.T) {
	t.Parallel()
	api, address := caddytest.StartTelegram(t)
	c := caddytest.New(t)
	if err := caddytest.WriteFile(c.File("Other"), registeringSite(caddytest.FreePort(t), address, "127.0.0.1:9", "admin off")); err != nil {
		t.Fatal(err)
	}
	for _, command := range []string{"validate", "adapt"} {
		if out, err := c.Command(command, "--adapter", "caddyfile", "--config", c.File("Other")).CombinedOutput(); err != nil {
			t.Fatalf("%s: %v\n%s", command, err, out)
		}
	}
	if n := len(api.Calls("")); n > 0 {
		t.Errorf("%d calls", n)
	}
	if c.Has("data/caddy/telegram_webhook") {
		t.Error("something was written")
	}
}

// TestFightOfProcesses has two Caddy processes that share nothing but the bot.
// Each repairs what the other has done, three times, and then says who it is.
func TestFightOfProcesses(t *testing.T) {
	t.Parallel()
	api, address := caddytest.StartTelegram(t)
	var processes []*caddytest.Process
	for _, path := range []string{"/one", "/two"} {
		c := caddytest.Start(t, registeringSite(caddytest.FreePort(t), address, "127.0.0.1:9", "admin off", "check 10s", "url "+path))
		c.Out.Wait(t, "webhook registered")
		processes = append(processes, c)
	}
	caddytest.WaitUntil(t, "somebody says that it is contested", func() bool {
		return slices.ContainsFunc(processes, func(c *caddytest.Process) bool { return strings.Contains(c.Out.String(), "webhook contested") })
	})
	for i, c := range processes {
		c.Stop()
		if lost := strings.Count(c.Out.String(), "webhook registered") - 1; lost > 3 {
			t.Errorf("process %d has repaired %d times, want at most 3", i, lost)
		}
		if !strings.Contains(c.Out.String(), "webhook contested") {
			continue
		}
		if other := []string{"/two", "/one"}[i]; !regexp.MustCompile(`"webhook contested".*"found":"https://localhost:\d+` + other).MatchString(c.Out.String()) {
			t.Errorf("process %d does not say who the other is", i)
		}
	}
	set := 0
	for _, call := range api.Calls("setWebhook") {
		if call.Status == http.StatusOK { // others came within the same second
			set++
		}
	}
	if set > 8 {
		t.Errorf("the webhook was set %d times, want at most 2 first ones and 3 repairs each", set)
	}
}
