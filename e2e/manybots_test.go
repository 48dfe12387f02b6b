package e2e

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/caddy-telegram/telegramwebhook/internal/telegramtest"
)

// A platform is the Caddy of docs/recipes/many-bots.md, with its files where a test may
// have them and with a Telegram of its own.
type platform struct {
	*installation
	page    string
	replace *strings.Replacer
	updates atomic.Int64 // that the bots have had
}

// kitchenToken is that of the bot that comes and goes.
const kitchenToken = "330000001:AAkitchen_kitchen_kitchen_kitchen_k"

// What docs/recipes/many-bots.md says of bots that come and go is what happens: its
// configuration runs, a bot is added as it says, is there after a restart with
// --resume, is taken away, comes back, and the others are not touched.
func TestManyBotsPage(t *testing.T) {
	p := newPlatform(t)
	p.run("--config", p.file("Caddyfile"))
	p.awaitWebhook(botToken, "/weather")

	add, remove, _ := strings.Cut(p.block("sh", "@kitchen.json"), "\n\n")
	p.shell(add)
	p.awaitWebhook(kitchenToken, "/kitchen")
	p.deliver(1)

	p.terminate()
	p.run("--resume")
	p.deliver(2)

	p.shell(remove)
	if url := p.api.Webhook(kitchenToken).URL; url != "" {
		t.Errorf("the bot is gone, and Telegram goes on sending to %s", url)
	}
	p.shell(add)
	if url := p.api.Webhook(kitchenToken).URL; url != "" {
		t.Errorf("the bot came back as it was, and is registered as %s without being told so", url)
	}
	p.shell("caddy telegram-webhook register kitchen")
	p.awaitWebhook(kitchenToken, "/kitchen")
	p.deliver(3)

	for _, call := range p.api.Calls("setWebhook")[1:] {
		if call.Token != kitchenToken {
			t.Errorf("setWebhook was called for another bot, with %v", call.Params)
		}
	}
	if calls := p.api.Calls("deleteWebhook"); len(calls) != 1 || calls[0].Token != kitchenToken {
		t.Errorf("deleteWebhook was called %d times, want once for the one bot", len(calls))
	}
}

// newPlatform writes the page's two files.
func newPlatform(t *testing.T) *platform {
	t.Helper()
	page, err := os.ReadFile("../docs/recipes/many-bots.md")
	if err != nil {
		t.Fatal(err)
	}
	p := &platform{installation: newInstallation(t), page: string(page)}
	bot := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { p.updates.Add(1) }))
	t.Cleanup(bot.Close)
	p.replace = strings.NewReplacer(
		"bots.example.com", fmt.Sprintf("https://%s:%d", host, p.port),
		"/etc/caddy/bots", p.dir,
		"localhost:2019", p.admin,
		"localhost:8081", bot.Listener.Addr().String(),
		"localhost:8083", bot.Listener.Addr().String(),
		// One bot is enough to see that others are not touched.
		"\timport bot garden localhost:8082\n", "",
		"\t\t\tname {args[0]}\n", "\t\t\tname {args[0]}\n\t\t\tapi "+p.apiURL+"\n\t\t\tcertificate internal\n",
		`"name": "kitchen"`, fmt.Sprintf(`"name": "kitchen", "api": %q, "certificate": "internal"`, p.apiURL),
	)
	for name, content := range map[string]string{
		"Caddyfile":    fmt.Sprintf(loopbackOptions, p.admin) + p.block("", "import bot garden"),
		"kitchen.json": p.block("json", `"@id": "kitchen"`),
		"weather":      botToken,
		"kitchen":      kitchenToken,
	} {
		if err := os.WriteFile(p.file(name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink(caddyBinary, p.file("caddy")); err != nil {
		t.Fatal(err)
	}
	return p
}

// block is the page's one block in that language that has the text, with what the
// test has in other places.
func (p *platform) block(language, text string) string {
	p.t.Helper()
	var found []string
	for _, match := range regexp.MustCompile("(?ms)^```([a-z]*)\n(.*?)^```$").FindAllStringSubmatch(p.page, -1) {
		if match[1] == language && strings.Contains(match[2], text) {
			found = append(found, match[2])
		}
	}
	if len(found) != 1 {
		p.t.Fatalf("the page has %d blocks %q with %q, want one", len(found), language, text)
	}
	return p.replace.Replace(found[0])
}

func (p *platform) environment() []string {
	return append(os.Environ(), "PATH="+p.dir+string(filepath.ListSeparator)+os.Getenv("PATH"), "CADDY_ADMIN="+p.admin,
		"XDG_DATA_HOME="+p.file("data"), "XDG_CONFIG_HOME="+p.file("config"))
}

// run runs Caddy, and returns once it serves.
func (p *platform) run(args ...string) {
	p.t.Helper()
	cmd := exec.Command(caddyBinary, append([]string{"run"}, args...)...)
	cmd.Env = p.environment()
	p.process = startProcess(p.t, cmd, func([]byte) {})
	eventually(p.t, "Caddy serves the site", p.serves)
}

// shell runs commands of the page; one that fails, or an answer that is an error,
// fails the test.
func (p *platform) shell(script string) {
	p.t.Helper()
	cmd := exec.Command("bash", "-e", "-c", strings.ReplaceAll(script, "curl ", "curl --fail-with-body --silent --show-error "))
	cmd.Dir, cmd.Env = p.dir, p.environment()
	if out, err := cmd.CombinedOutput(); err != nil {
		p.t.Fatalf("%s\n%v: %s", script, err, out)
	}
}

func (p *platform) awaitWebhook(token, path string) {
	p.t.Helper()
	eventually(p.t, "Telegram has the webhook "+path, func() bool { return p.api.Webhook(token).URL == p.url(path) })
}

// deliver has Telegram send an update to each of the bots.
func (p *platform) deliver(id int64) {
	p.t.Helper()
	before := p.updates.Load()
	for _, token := range []string{botToken, kitchenToken} {
		p.api.Send(token, telegramtest.Message(id, chat, saying))
		eventually(p.t, "it is delivered", func() bool { return p.api.Sender(token).Stats().Pending == 0 })
	}
	if got := p.updates.Load() - before; got != 2 {
		p.t.Errorf("update %d came to the bots %d times, want once to each of the two", id, got)
	}
}
