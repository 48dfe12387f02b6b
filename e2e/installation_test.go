package e2e

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/caddy-telegram/telegramwebhook/internal/telegramtest"
)

const examplesFolder = "../examples"

// installation is Caddy with the Caddyfile of an example, and Telegram, with
// which it registers the webhook by itself.
type installation struct {
	*caddy
	api    *telegramtest.API
	apiURL string
	admin  string
}

// Telegram reaches the example's site by a port of loopback, trusts Caddy's CA,
// and has a Bot API of its own. All else is as the example has it.
const loopbackOptions = `{
	admin %s
	skip_install_trust
	local_certs
	auto_https disable_redirects
	servers {
		protocols h1 h2
		listener_wrappers {
			telegram_webhook {
				penalty
			}
			tls
		}
	}
}
`

// newInstallation has a Bot API, and a Caddy that does not run yet.
func newInstallation(t *testing.T) *installation {
	t.Helper()
	i := &installation{caddy: newCaddy(t), admin: loopback(freePort(t))}
	i.api = newBotAPI(telegramtest.APIOptions{Local: true, Sender: telegramtest.Options{
		After: func(d time.Duration) <-chan time.Time { return time.After(d / hurry) },
		Dial:  i.dial,
	}})
	var stop func()
	i.apiURL, stop = i.api.Start()
	t.Cleanup(stop)
	return i
}

// serve runs an example's Caddyfile, with something else in the place of what
// the example has on its machine, and returns once Telegram has the webhook.
func (i *installation) serve(example string, replacements ...string) {
	i.t.Helper()
	text := readExample(i.t, example)
	replacements = append(replacements,
		host+" {", fmt.Sprintf("https://%s:%d {\n\tbind 127.0.0.1", host, i.port),
		"{env.TELEGRAM_BOT_TOKEN}", "{env.TELEGRAM_BOT_TOKEN}\n\t\tcertificate internal\n\t\tcheck 10s\n\t\tapi "+i.apiURL)
	for n := 0; n < len(replacements); n += 2 {
		text = replaceOnce(i.t, text, replacements[n], replacements[n+1])
	}
	i.caddyfile = func() string { return fmt.Sprintf(loopbackOptions, i.admin) + text }
	i.start()
	eventually(i.t, "Telegram has the webhook", func() bool { return i.api.Webhook(botToken).URL != "" })
}

// poll runs the laptop's Caddyfile for a bot at that address, and returns once Caddy
// asks Telegram for updates.
func (i *installation) poll(bot string) {
	i.t.Helper()
	i.host = "localhost"
	i.env = []string{"POLL=on", fmt.Sprintf("SITE=%s:%d", i.host, i.port)}
	text := readExample(i.t, "laptop.Caddyfile")
	for what, with := range map[string]string{
		"\tskip_install_trust\n":     "\tskip_install_trust\n\tadmin " + i.admin + "\n",
		"{$SITE:localhost:8443} {":   "{$SITE:localhost:8443} {\n\tbind 127.0.0.1",
		"{env.TELEGRAM_BOT_TOKEN}\n": "{env.TELEGRAM_BOT_TOKEN}\n\t\tapi " + i.apiURL + "\n",
		"127.0.0.1:8080":             bot,
	} {
		text = replaceOnce(i.t, text, what, with)
	}
	i.caddyfile = func() string { return text }
	i.start()
	eventually(i.t, "Caddy asks for updates", func() bool { return len(i.api.Calls("getUpdates")) > 0 })
}

func readExample(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(examplesFolder, name))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func replaceOnce(t *testing.T, text, what, with string) string {
	t.Helper()
	if n := strings.Count(text, what); n != 1 {
		t.Fatalf("the example has %q %d times, want once", what, n)
	}
	return strings.Replace(text, what, with, 1)
}

// text has a user write to the bot.
func (i *installation) text(id int64, text string) {
	i.api.Send(botToken, telegramtest.Message(id, chat, text))
}

// awaitDelivered returns once Telegram has nothing left to deliver.
func (i *installation) awaitDelivered() {
	i.t.Helper()
	eventually(i.t, "every update is delivered", func() bool { return i.telegram().Pending == 0 })
}

// telegram is what Telegram's sender has done so far.
func (i *installation) telegram() telegramtest.Stats { return i.api.Sender(botToken).Stats() }

// forge posts updates as somebody does who knows the address and not the secret.
func (i *installation) forge() {
	i.t.Helper()
	forger, right := newForger(i.caddy), i.api.Webhook(botToken).Secret
	for _, secrets := range append(forgeries, []string{right[1:]}, []string{right, right}) {
		status, body, err := forger.post(secrets)
		if err != nil || status != http.StatusForbidden || body != "" {
			i.t.Errorf("a forged update was answered with %d %q %v", status, body, err)
		}
	}
}
