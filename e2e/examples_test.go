package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/caddy-telegram/telegramwebhook/internal/telegramtest"
)

// example is a bot below examples/bots, with the Caddyfile that is meant for it.
type example struct {
	name      string
	command   func(t *testing.T, source, address string) *exec.Cmd
	caddyfile string // below examples
	upstream  string // the bot, in the Caddyfile

	// answersAtOnce is set for a bot that answers within its answer to Telegram's
	// request.
	answersAtOnce bool
}

var examples = []example{
	{"go", compiled, "bot.Caddyfile", "127.0.0.1:8080", false},
	{"telebot", compiled, "bot.Caddyfile", "127.0.0.1:8080", false},
	{"gotgbot", compiled, "bot.Caddyfile", "127.0.0.1:8080", false},
	{"grammy", onNode, "bot.Caddyfile", "127.0.0.1:8080", true},
	{"telegraf", onNode, "bot.Caddyfile", "127.0.0.1:8080", false},
	{"node-telegram-bot-api", onNode, "bot.Caddyfile", "127.0.0.1:8080", false},
	{"node-telegram-bot-api-0.67", onNode, "bot.Caddyfile", "127.0.0.1:8080", false},
	{"python-telegram-bot", interpreted, "bot.Caddyfile", "127.0.0.1:8080", false},
	{"flask", interpreted, "bot.Caddyfile", "127.0.0.1:8080", true},
	{"php", phpFPM, "bots/php/Caddyfile", "unix//run/php/php-fpm.sock", true},
}

func compiled(t *testing.T, source, _ string) *exec.Cmd {
	t.Helper()
	program := filepath.Join(t.TempDir(), "bot")
	if err := command(source, "go", "build", "-o", program, "."); err != nil {
		t.Fatal(err)
	}
	return exec.Command(program)
}

// installed has a function for each bot on Node that installs it once for all tests, and
// returns the folder.
var installed sync.Map

func onNode(t *testing.T, source, _ string) *exec.Cmd {
	t.Helper()
	install, _ := installed.LoadOrStore(source, sync.OnceValues(func() (string, error) {
		folder, err := os.MkdirTemp(workFolder, filepath.Base(source))
		if err == nil {
			err = os.CopyFS(folder, os.DirFS(source))
		}
		if err == nil {
			err = buildNode(folder)
		}
		return folder, err
	}))
	folder, err := install.(func() (string, error))()
	if err != nil {
		t.Fatal(err)
	}
	return exec.Command("node", filepath.Join(folder, "bot.js"))
}

func interpreted(t *testing.T, source, _ string) *exec.Cmd {
	t.Helper()
	if err := needPython(); err != nil {
		t.Fatal(err)
	}
	return exec.Command(python, filepath.Join(source, "bot.py"))
}

// phpFPM is a PHP-FPM with a pool of its own.
func phpFPM(t *testing.T, _, address string) *exec.Cmd {
	t.Helper()
	found, _ := filepath.Glob("/usr/sbin/php-fpm*") // its name has its version
	if len(found) == 0 {
		t.Fatal("this test needs php-fpm in /usr/sbin")
	}
	config := filepath.Join(t.TempDir(), "php-fpm.conf")
	pool := "[global]\nerror_log = /dev/stderr\n[bot]\nlisten = " + address + "\npm = static\npm.max_children = 2\nuser = nobody\n"
	if err := os.WriteFile(config, []byte(pool), 0o600); err != nil {
		t.Fatal(err)
	}
	return exec.Command(found[len(found)-1], "--nodaemonize", "--allow-to-run-as-root", "--fpm-config", config)
}

func (e example) folder() string {
	folder, _ := filepath.Abs(filepath.Join(examplesFolder, "bots", e.name))
	return folder
}

// start starts the bot, with a relay before it.
func (e example) start(t *testing.T, api string) *relay {
	t.Helper()
	port := freePort(t)
	bot := e.command(t, e.folder(), loopback(port))
	bot.Env = append(os.Environ(), fmt.Sprint("PORT=", port), "TELEGRAM_BOT_TOKEN="+botToken, "TELEGRAM_API="+api)
	startProcess(t, bot, func([]byte) {})
	eventually(t, "the bot listens", func() bool { return listens(loopback(port)) })
	return startRelay(t, loopback(port))
}

// set starts the bot, with a relay before it, the gate before that, and Telegram
// before that.
func (e example) set(t *testing.T) (*installation, *relay) {
	t.Helper()
	i := newInstallation(t)
	r := e.start(t, i.apiURL)
	replacements := []string{e.upstream, r.address}
	if e.name == "php" {
		replacements = append(replacements, "/srv/bot", e.folder())
	}
	i.serve(e.caddyfile, replacements...)
	return i, r
}

// Each bot answers its user, and knows nothing of secrets, certificates and
// webhooks: a forged update does not come as far as to its port, the secret
// neither, and nobody but the gate has told Telegram of the webhook.
func TestExamples(t *testing.T) {
	for _, e := range examples {
		t.Run(e.name, func(t *testing.T) {
			t.Parallel()
			i, bot := e.set(t)

			i.forge()
			i.text(1, saying)
			i.awaitDelivered()

			var answer telegramtest.Call
			eventually(t, "the bot answers", func() bool {
				calls := i.api.Calls("sendMessage")
				if len(calls) > 0 {
					answer = calls[0]
				}
				return len(calls) == 1
			})
			if answer.Params["text"] != saying || answer.Params["chat_id"] != strconv.Itoa(chat) || answer.InAnswer != e.answersAtOnce {
				t.Errorf("the bot's answer is %+v", answer)
			}

			if !bot.saw(`"update_id":1,`) {
				t.Error("the genuine update has passed the bot by")
			}
			header := "Telegram-Bot-Api-Secret-Token"
			for _, kept := range []string{forgedPath, "never here", i.api.Webhook(botToken).Secret, header, strings.ReplaceAll(header, "-", "_")} {
				if bot.saw(kept) {
					t.Errorf("%q has come to the bot", kept)
				}
			}
			if set, deleted := len(i.api.Calls("setWebhook")), len(i.api.Calls("deleteWebhook")); set != 1 || deleted != 0 {
				t.Errorf("setWebhook was called %d times and deleteWebhook %d times, want the gate's one call", set, deleted)
			}
		})
	}
}
