package integration

import (
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"

	"github.com/caddy-telegram/telegramwebhook/integration/caddytest"
)

// TestSecretFiles replaces a configured secret by the commands of
// docs/recipes/configured-secret.md. Both secrets are accepted meanwhile, the new one is
// registered, and the old one is refused in the end.
func TestSecretFiles(t *testing.T) {
	t.Parallel()
	api, address := caddytest.StartTelegram(t)
	bot := caddytest.StartBot(t, func(http.ResponseWriter, *http.Request) {})
	admin, port := caddytest.FreePort(t), caddytest.FreePort(t)
	c := caddytest.New(t)
	const first = "first_0123456789-abcdefghijklmnopqrstuv"
	for name, content := range map[string]string{
		"telegram_secret": first + "\n", "telegram_secret_old": first + "\n", "telegram_bot_token": caddytest.BotToken + "\n",
		"Caddyfile": strings.Replace(caddytest.Globals(), "admin off", fmt.Sprintf("admin localhost:%d", admin), 1) + strings.NewReplacer(
			"/etc/caddy", c.Dir, "bot.example.com", fmt.Sprintf("https://localhost:%d", port), "127.0.0.1:8080", bot,
			"telegram_bot_token}", "telegram_bot_token}\n\t\tcertificate internal\n\t\tapi "+address,
		).Replace(caddytest.ReadFile(t, "../examples/secret-files.Caddyfile")),
	} {
		if err := caddytest.WriteFile(c.File(name), content); err != nil {
			t.Fatal(err)
		}
	}
	t.Cleanup(c.Quit)
	c.Start()
	registered := func() string { return api.Webhook(caddytest.BotToken).Secret }
	caddytest.WaitUntil(t, "the first secret is registered", func() bool { return registered() == first })
	client, url := c.Client(), fmt.Sprintf("https://localhost:%d/", port)
	want := func(value string, status int) {
		t.Helper()
		if got := caddytest.Do(t, client, caddytest.Update(t, url, value)).Status; got != status {
			t.Errorf("got %d, want %d", got, status)
		}
	}
	if err := os.Symlink(os.Args[0], c.File("caddy")); err != nil {
		t.Fatal(err)
	}
	run := func(script string) {
		t.Helper()
		cmd := exec.Command("sh", "-ec", strings.ReplaceAll(script, "/etc/caddy", c.Dir))
		cmd.Env = append(c.Command().Env, "PATH="+c.Dir+string(os.PathListSeparator)+os.Getenv("PATH"))
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%s\n%v\n%s", script, err, out)
		}
	}
	const reload = "caddy reload --config /etc/caddy/Caddyfile"
	blocks := regexp.MustCompile("(?ms)^```sh\n(.*?)^```$").FindAllStringSubmatch(caddytest.ReadFile(t, "../docs/recipes/configured-secret.md"), -1)
	if len(blocks) != 2 || strings.Count(blocks[0][1], reload) != 1 {
		t.Fatalf("the recipe has %d blocks of commands, want two", len(blocks))
	}
	begin, end := blocks[0][1], blocks[1][1]

	run(strings.ReplaceAll(begin, reload+" --force", reload)) // Caddy sees the same configuration
	second := strings.TrimSpace(caddytest.ReadFile(t, c.File("telegram_secret")))
	want(second, http.StatusForbidden)
	run(reload + " --force")
	want(second, http.StatusOK)
	want(first, http.StatusOK)
	caddytest.WaitUntil(t, "the second secret is registered", func() bool { return registered() == second })

	run(end)
	want(second, http.StatusOK)
	want(first, http.StatusForbidden)
}
