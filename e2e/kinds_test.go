package e2e

import (
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
)

// kind is what a bot is made with, and how that treats Telegram.
type kind struct {
	name string

	// install puts the bot into a fresh folder, with all that it needs, and returns
	// the command that starts it.
	install func(folder string) ([]string, error)

	// answersFirst is set where Telegram has its answer before the handler begins:
	// what goes wrong afterwards is not Telegram's concern any more.
	answersFirst bool

	// replies is the method with which the bot answers "reply" within its answer
	// to Telegram; empty where there is no way to do so.
	replies string

	// throws is how Telegram is answered when a handler throws.
	throws int

	// endsAtOnce is set where SIGTERM ends the bot in the midst of its work.
	endsAtOnce bool

	// misses is how a bot that checks the secret answers when it does not get it.
	misses int

	once    sync.Once
	command []string
	err     error
}

var (
	goTelegram = &kind{name: "go-telegram", install: installGo,
		replies: "sendMessage", throws: http.StatusBadGateway, misses: http.StatusForbidden}
	// By the library's own WebhookHandler.
	goTelegramFirst = &kind{name: "go-telegram_answers_first", install: installGo, answersFirst: true,
		throws: http.StatusOK, misses: http.StatusOK}
	grammy = &kind{name: "grammy", install: installTypeScript("grammy"),
		replies: "sendMessage", throws: http.StatusInternalServerError, misses: http.StatusUnauthorized}
	telegraf = &kind{name: "telegraf", install: installTypeScript("telegraf"),
		replies: "sendChatAction", throws: http.StatusInternalServerError, misses: http.StatusForbidden}
	pythonTelegramBot = &kind{name: "python-telegram-bot", install: installPython("python-telegram-bot"),
		replies: "sendMessage", throws: http.StatusInternalServerError, misses: http.StatusForbidden}
	// By Updater.start_webhook().
	pythonTelegramBotFirst = &kind{name: "python-telegram-bot_answers_first", install: installPython("python-telegram-bot"), answersFirst: true,
		throws: http.StatusOK, misses: http.StatusForbidden}
	flask = &kind{name: "flask", install: installPython("flask"),
		replies: "sendMessage", throws: http.StatusInternalServerError, endsAtOnce: true, misses: http.StatusForbidden}
)

var kinds = []*kind{goTelegram, goTelegramFirst, grammy, telegraf, pythonTelegramBot, pythonTelegramBotFirst, flask}

// run returns the command that starts a bot of that kind, which is installed once
// for all tests.
func (k *kind) run(t *testing.T) *exec.Cmd {
	t.Helper()
	k.once.Do(func() {
		folder := filepath.Join(workFolder, k.name)
		if k.err = os.Mkdir(folder, 0o755); k.err == nil {
			k.command, k.err = k.install(folder)
		}
	})
	if k.err != nil {
		t.Fatal(k.err)
	}
	cmd := exec.Command(k.command[0], k.command[1:]...)
	cmd.Env = os.Environ()
	if k.answersFirst {
		cmd.Env = append(cmd.Env, "BOT_ANSWERS=first")
	}
	return cmd
}

func installGo(folder string) ([]string, error) {
	program := filepath.Join(folder, "bot")
	return []string{program}, command(".", "go", "build", "-o", program, "./bots/go")
}

func installTypeScript(name string) func(string) ([]string, error) {
	return func(folder string) ([]string, error) {
		if err := copyBot(name, folder); err != nil {
			return nil, err
		}
		program := filepath.Join(folder, "bot.js")
		return []string{"node", program}, buildNode(folder)
	}
}

// buildNode has npm install what the lock file says and, for a bot in TypeScript, check
// the types and make JavaScript.
func buildNode(folder string) error {
	if err := command(folder, "npm", "ci", "--no-audit", "--no-fund"); err != nil {
		return err
	}
	return command(folder, "npm", "run", "build", "--if-present")
}

// installPython finds the libraries where PYTHON has them.
func installPython(name string) func(string) ([]string, error) {
	return func(folder string) ([]string, error) {
		if err := needPython(); err != nil {
			return nil, err
		}
		return []string{python, filepath.Join(folder, "bot.py")}, copyBot(name, folder)
	}
}

// copyBot copies a bot, and what it has in common with others.
func copyBot(name, folder string) error {
	for _, part := range []string{"common", name} {
		if err := os.CopyFS(folder, os.DirFS(filepath.Join("bots", part))); err != nil {
			return err
		}
	}
	return nil
}
