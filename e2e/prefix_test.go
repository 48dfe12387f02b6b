package e2e

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/caddy-telegram/telegramwebhook/internal/telegramtest"
)

// TestPrefixInFront has two Caddys: the one in front strips a prefix of the path, which the
// one with the gate cannot know. No update is ever lost: either all arrive, or nothing
// is registered.
func TestPrefixInFront(t *testing.T) {
	for name, tc := range map[string]struct {
		site, url           string
		told                string // by the Caddy with the gate
		registered, arrives bool
	}{
		"the whole site is the bot's": {"GATE\nreverse_proxy BOT", "https://HOST/bots/one/telegram", "", true, true},
		"a path, and the rest is 404": {"handle /telegram {\nGATE\nreverse_proxy BOT\n}\nhandle {\nrespond 404\n}", "https://HOST/bots/one/telegram",
			"webhook address not confirmed", true, true},
		"a path, and the rest is an empty 200": {"handle /telegram {\nGATE\nreverse_proxy BOT\n}", "https://HOST/bots/one/telegram",
			"so that Telegram takes every update for delivered", false, false},
		"the prefix was forgotten": {"handle /telegram {\nGATE\nreverse_proxy BOT\n}", "https://HOST/telegram", "", true, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var got, attempts, taken atomic.Int64
			bot := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
				if body, _ := io.ReadAll(r.Body); strings.Contains(string(body), "update_id") {
					got.Add(1)
				}
			}))
			t.Cleanup(bot.Close)

			front, behind := newCaddy(t), freePort(t)
			front.caddyfile = func() string {
				return fmt.Sprintf(`{
	admin off
	skip_install_trust
	local_certs
	auto_https disable_redirects
}
https://%s:%d {
	bind 127.0.0.1
	handle_path /bots/one/* {
		reverse_proxy 127.0.0.1:%d
	}
	handle {
		respond 404
	}
}
`, host, front.port, behind)
			}
			front.start()

			api := telegramtest.NewAPI(telegramtest.APIOptions{
				Tokens: []string{botToken}, AllowPort: true, AllowReserved: true,
				Sender: telegramtest.Options{
					After: func(d time.Duration) <-chan time.Time { return time.After(d / hurry) },
					Dial:  front.dial,
					OnAttempt: func(a telegramtest.Attempt) {
						attempts.Add(1)
						if a.Delivered {
							taken.Add(1)
						}
					},
				},
			})
			address, stop := api.Start()
			t.Cleanup(stop)

			gate := fmt.Sprintf("telegram_webhook {\nbot_token {env.TELEGRAM_BOT_TOKEN}\napi %s\ncertificate %s\nurl %s\nip_address 127.0.0.1\n}",
				address, front.file("data/caddy/pki/authorities/local/root.crt"), strings.ReplaceAll(tc.url, "HOST", fmt.Sprintf("%s:%d", host, front.port)))
			back := newCaddy(t)
			config := fmt.Sprintf("{\nadmin off\nservers {\ntrusted_proxies static 127.0.0.1/32\n}\n}\nhttp://:%d {\nbind 127.0.0.1\n%s\n}\n", behind,
				strings.NewReplacer("GATE", gate, "BOT", bot.Listener.Addr().String()).Replace(tc.site))
			if err := os.WriteFile(back.file("Caddyfile"), []byte(config), 0o600); err != nil {
				t.Fatal(err)
			}
			cmd := exec.Command(caddyBinary, "run", "--config", back.file("Caddyfile"))
			cmd.Env = append(os.Environ(), "TELEGRAM_BOT_TOKEN="+botToken, "XDG_DATA_HOME="+back.file("data"), "XDG_CONFIG_HOME="+back.file("config"))
			process := startProcess(t, cmd, func([]byte) {})
			eventually(t, "it is registered, or it is said why not", func() bool {
				return process.out.contain(`"webhook registered"`) || process.out.contain(`"webhook not registered"`)
			})
			if !process.out.contain(tc.told) {
				t.Errorf("the log does not say %q", tc.told)
			}
			if registered := api.Webhook(botToken).URL != ""; registered != tc.registered {
				t.Errorf("it is registered: %v", registered)
			}
			for id := int64(1); id <= 3; id++ {
				api.Send(botToken, telegramtest.Message(id, id, "hello"))
			}
			if tc.arrives {
				eventually(t, "the bot has all updates", func() bool { return got.Load() == 3 })
			}
			if tc.registered {
				eventually(t, "Telegram has tried each", func() bool { return attempts.Load() >= 3 })
			}
			if taken := taken.Load(); taken > got.Load() {
				t.Errorf("Telegram takes %d updates for delivered, and the bot has %d", taken, got.Load())
			}
		})
	}
}
