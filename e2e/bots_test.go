package e2e

import (
	"encoding/json"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/caddy-telegram/telegramwebhook/internal/telegramtest"
)

const botToken = "4839574812:AAFD39kkdpWt3ywyRZergyOLMaJhac60qc0"

// bot is a bot that may be started more than once. What it reports is kept over
// its lives.
type bot struct {
	t       *testing.T
	command func() *exec.Cmd
	address string
	env     []string
	process *process

	mu      sync.Mutex
	lives   int // how many times it has begun to listen
	arrived []arrival
	handled map[int64]int // how many times, by update_id
	answers []string      // the bodies, where there was one
}

// arrival is a request that came to the bot, whatever the bot made of it.
type arrival struct {
	Path   string
	Secret *string // nil without the header
}

// library is what a bot is made with.
type library struct {
	name    string
	command func() *exec.Cmd
}

var (
	goTelegram = library{"go-telegram", func() *exec.Cmd { return exec.Command(goBotBinary) }}
	grammy     = library{"grammy", func() *exec.Cmd { return exec.Command("node", filepath.Join(grammyFolder, "bot.js")) }}
)

// startBot runs a bot. With a secret, its library checks the header too.
func startBot(t *testing.T, l library, api *telegramtest.API, secret string) *bot {
	t.Helper()
	b := &bot{t: t, command: l.command, address: loopback(freePort(t)), handled: make(map[int64]int)}
	b.env = append(os.Environ(), "BOT_LISTEN="+b.address, "BOT_TOKEN="+botToken, "BOT_SECRET="+secret)
	if api != nil {
		url, stop := api.Start()
		t.Cleanup(stop)
		b.env = append(b.env, "BOT_API="+url)
	}
	b.start()
	return b
}

// start begins a life of the bot, at the same address as the one before.
func (b *bot) start() {
	b.t.Helper()
	lives := b.count(func() int { return b.lives })
	cmd := b.command()
	cmd.Env = b.env
	b.process = startProcess(b.t, cmd, b.report)
	eventually(b.t, "the bot listens", func() bool { return b.count(func() int { return b.lives }) > lives })
}

// kill ends the bot without warning.
func (b *bot) kill() {
	b.t.Helper()
	b.process.end(syscall.SIGKILL)
}

// report takes a line of the bot's. What is no report is for people.
func (b *bot) report(line []byte) {
	var e struct {
		Event string
		arrival
		UpdateID int64 `json:"update_id"`
		Body     string
	}
	if json.Unmarshal(line, &e) != nil {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	switch e.Event {
	case "listening":
		b.lives++
	case "arrived":
		b.arrived = append(b.arrived, e.arrival)
	case "handled":
		b.handled[e.UpdateID]++
	case "answered":
		b.answers = append(b.answers, e.Body)
	}
}

func (b *bot) count(what func() int) int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return what()
}

// updates is how many different updates the bot has handled.
func (b *bot) updates() int {
	return b.count(func() int { return len(b.handled) })
}

// awaitHandled returns once the bot has handled an update.
func (b *bot) awaitHandled(id int64) {
	b.t.Helper()
	eventually(b.t, "the bot handles the update", func() bool {
		return b.count(func() int { return b.handled[id] }) > 0
	})
}

// awaitAll returns once the bot has handled every update from 1 to last.
func (b *bot) awaitAll(last int64) {
	b.t.Helper()
	eventually(b.t, "the bot handles every update", func() bool { return b.updates() >= int(last) })
	b.mu.Lock()
	defer b.mu.Unlock()
	for id := int64(1); id <= last; id++ {
		if b.handled[id] == 0 {
			b.t.Errorf("update %d never reached the bot", id)
		}
	}
}

// mustHaveSeen checks every request that came to the bot: the gate let nothing
// forged through, and the header came along or did not.
func (b *bot) mustHaveSeen(secret string) {
	b.t.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, a := range b.arrived {
		if a.Path != genuinePath {
			b.t.Fatalf("a request to %s reached the bot", a.Path)
		}
		switch {
		case secret == "" && a.Secret != nil:
			b.t.Fatal("the secret reached the bot")
		case secret != "" && (a.Secret == nil || *a.Secret != secret):
			b.t.Fatal("the secret did not reach the bot")
		}
	}
}

// newBotAPI is a Bot API that takes messages.
func newBotAPI(o telegramtest.APIOptions) *telegramtest.API {
	api := telegramtest.NewAPI(o)
	api.Fail(func(method string, _ map[string]string) *telegramtest.Fault {
		if !strings.EqualFold(method, "sendMessage") {
			return nil
		}
		return &telegramtest.Fault{
			Header: http.Header{"Content-Type": {"application/json"}},
			Body:   []byte(`{"ok":true,"result":{"message_id":1,"date":1767225600,"chat":{"id":1,"type":"private"}}}`),
		}
	})
	return api
}
