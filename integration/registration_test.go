package integration

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/caddy-telegram/telegramwebhook/integration/caddytest"
	"github.com/caddy-telegram/telegramwebhook/internal/telegramtest"
)

// TestSameAddress has two bots whose webhooks would have the same address, which
// is known only once the configuration runs: the one to which it does not lead is not
// registered, and the log says which has it.
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
			caddytest.WaitUntil(t, "one is registered and the other not", func() bool { return state() == oneOf })
			told := ""
			for line := range strings.Lines(c.Out.String()) {
				if strings.Contains(line, "webhook not registered") {
					told += line
				}
			}
			for _, want := range []string{`"name":"987654321"`, "leads to another one, 123456789", "correct the configuration and reload"} {
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
			alone := fmt.Sprintf(metric, "123456789", 1)
			caddytest.WaitUntil(t, "the first is measured alone", func() bool { return state() == alone })
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

// TestSuspicion floods the webhook with forgeries that say that they come from
// Telegram: by a trusted proxy they have it registered again, once a minute at
// most, and by a stranger not at all.
func TestSuspicion(t *testing.T) {
	t.Parallel()
	// The flood lasts for five seconds, or two, since Telegram itself takes only one
	// call of setWebhook a second.
	const senders, pace = 8, 50 * time.Millisecond
	flood := size(800, 320)
	for name, tc := range map[string]struct {
		trusted      string
		calls        int
		fromTelegram bool
	}{
		"a trusted proxy": {"trusted_proxies static 127.0.0.1/32", 2, true},
		"a stranger":      {"trusted_proxies static 192.0.2.0/24", 1, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			api, address := caddytest.StartTelegram(t)
			port := caddytest.FreePort(t)
			c := caddytest.Start(t, registeringSite(port, address, "127.0.0.1:9", "admin off\n\tservers {\n\t\t"+tc.trusted+"\n\t}", "check 10s"))
			c.Out.Wait(t, "webhook registered")
			// What was registered within the last minute is not suspected.
			makeRecordOlder(t, c)
			client := c.Client()
			var flooding sync.WaitGroup
			for range senders {
				flooding.Go(func() {
					tick := time.NewTicker(pace)
					defer tick.Stop()
					for range flood / senders {
						<-tick.C
						r, err := http.NewRequest(http.MethodPost, fmt.Sprintf("https://localhost:%d/", port), nil)
						if err != nil {
							t.Error(err)
							return
						}
						r.Header.Set("X-Forwarded-For", "149.154.167.220")
						r.Header.Set(caddytest.SecretHeader, "wrong")
						resp, err := client.Do(r)
						if err != nil {
							t.Error(err)
							return
						}
						resp.Body.Close()
					}
				})
			}
			flooding.Wait()
			// The next look comes in its time, and finds nothing more to suspect.
			asked := len(api.Calls("getWebhookInfo"))
			caddytest.WaitUntil(t, "it looks again", func() bool { return len(api.Calls("getWebhookInfo")) > asked })
			c.Stop()
			calls := slices.DeleteFunc(api.Calls("setWebhook"), func(c telegramtest.Call) bool {
				return c.Status == http.StatusTooManyRequests // it came within a second of the one before
			})
			if len(calls) != tc.calls {
				t.Errorf("%d calls of setWebhook, want %d", len(calls), tc.calls)
			}
			if said := strings.Contains(c.Out.String(), `"from_telegram":true`); said != tc.fromTelegram {
				t.Errorf("the log says that it was Telegram: %v, want %v", said, tc.fromTelegram)
			}
		})
	}
}

// makeRecordOlder takes an hour off the times in the record in storage.
func makeRecordOlder(t testing.TB, c *caddytest.Process) {
	t.Helper()
	name := c.File("data/caddy/telegram_webhook")
	var files []string
	caddytest.WaitUntil(t, "there is a record", func() bool {
		files, _ = filepath.Glob(name + "/*/registration.json")
		return len(files) == 1
	})
	content, err := os.ReadFile(files[0])
	if err != nil {
		t.Fatal(err)
	}
	var record map[string]any
	if err := json.Unmarshal(content, &record); err != nil {
		t.Fatal(err)
	}
	record["registered_at"] = time.Now().Add(-time.Hour)
	if content, err = json.Marshal(record); err != nil {
		t.Fatal(err)
	}
	if err := caddytest.WriteFile(files[0], string(content)); err != nil {
		t.Fatal(err)
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

	reloads, restarts := size(100, 10), size(10, 2)
	for i := range reloads {
		caddytest.Load(t, admin, strings.Replace(config, "certificate internal", fmt.Sprintf("certificate internal\n\t\tretry_after %ds", i%50+1), 1))
	}
	wantSetWebhook(t, api, 1, "after reloads")
	if n := strings.Count(caddytest.Get(t, admin, "/debug/pprof/goroutine?debug=2"), "registrar.(*Registrar).run("); n != 1 {
		t.Errorf("after %d reloads %d registrars are at work, want 1", reloads, n)
	}
	for range restarts {
		asked := len(api.Calls("getWebhookInfo"))
		c.Restart()
		caddytest.WaitUntil(t, "the restarted one has looked", func() bool { return len(api.Calls("getWebhookInfo")) > asked })
	}
	wantSetWebhook(t, api, 1, "after restarts")

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
	if resp := caddytest.TryLoad(t, admin, broken); resp.Status == http.StatusOK {
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
