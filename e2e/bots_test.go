package e2e

import (
	"encoding/json"
	"io"
	"net/http"
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
	kind    *kind
	api     *telegramtest.API
	apiURL  string
	secret  string // that it checks for itself; "" if it leaves that to the gate
	address string
	process *process

	mu       sync.Mutex
	lives    int // how many times it has begun to listen
	stopping int // how many times it has taken note of SIGTERM
	arrived  []arrival
	began    map[int64]int // how many times its handler has, by update_id
	handled  map[int64]int // how many times its handler came to its end
	order    []int64       // of the ends, by update_id
	answers  []string      // the bodies, where there was one
}

// arrival is a request that came to the bot, whatever the bot made of it.
type arrival struct {
	Path   string
	Secret *string // nil without the header
}

// startBot runs a bot, with a Bot API for it. With a secret, the bot checks the
// header too.
func startBot(t *testing.T, k *kind, secret string) *bot {
	t.Helper()
	b := &bot{
		t: t, kind: k, api: newBotAPI(telegramtest.APIOptions{}), secret: secret, address: loopback(freePort(t)),
		began: make(map[int64]int), handled: make(map[int64]int),
	}
	var stop func()
	b.apiURL, stop = b.api.Start()
	t.Cleanup(stop)
	b.start()
	return b
}

// start begins a life of the bot, at the same address as the one before.
func (b *bot) start() {
	b.t.Helper()
	lives := b.count(func() int { return b.lives })
	cmd := b.kind.run(b.t)
	cmd.Env = append(cmd.Env, "BOT_LISTEN="+b.address, "BOT_TOKEN="+botToken, "BOT_SECRET="+b.secret, "BOT_API="+b.apiURL)
	b.process = startProcess(b.t, cmd, b.report)
	eventually(b.t, "the bot listens", func() bool { return b.count(func() int { return b.lives }) > lives })
}

// terminate ends the bot as a service manager does: it may let a handler go on
// first. It returns once the bot is gone.
func (b *bot) terminate(handler string) {
	b.t.Helper()
	stopping := b.count(func() int { return b.stopping })
	if err := b.process.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		b.t.Fatal(err)
	}
	if !b.kind.endsAtOnce {
		eventually(b.t, "the bot has the signal", func() bool { return b.count(func() int { return b.stopping }) > stopping })
		b.goOn(handler)
	}
	b.process.awaitEnd(syscall.SIGTERM)
}

// goOn lets the handlers of "slow" and that name end.
func (b *bot) goOn(handler string) {
	b.t.Helper()
	if _, err := io.WriteString(b.process.stdin, handler+"\n"); err != nil {
		b.t.Fatal(err)
	}
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
	case "stopping":
		b.stopping++
	case "began":
		b.began[e.UpdateID]++
	case "arrived":
		b.arrived = append(b.arrived, e.arrival)
	case "handled":
		b.handled[e.UpdateID]++
		b.order = append(b.order, e.UpdateID)
	case "answered":
		b.answers = append(b.answers, e.Body)
	}
}

func (b *bot) count(what func() int) int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return what()
}

// lastAnswer is the body of the bot's last answer that had one.
func (b *bot) lastAnswer() (body string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if n := len(b.answers); n > 0 {
		body = b.answers[n-1]
	}
	return body
}

// updates is how many different updates the bot has handled.
func (b *bot) updates() int {
	return b.count(func() int { return len(b.handled) })
}

// awaitBegan returns once the bot has begun with an update so many times.
func (b *bot) awaitBegan(id int64, times int) {
	b.t.Helper()
	eventually(b.t, "the bot begins with the update", func() bool { return b.beginnings(id) >= times })
}

// awaitHandled returns once the bot has handled an update so many times.
func (b *bot) awaitHandled(id int64, times int) {
	b.t.Helper()
	eventually(b.t, "the bot handles the update", func() bool { return b.ends(id) >= times })
}

func (b *bot) beginnings(id int64) int { return b.count(func() int { return b.began[id] }) }

func (b *bot) ends(id int64) int { return b.count(func() int { return b.handled[id] }) }

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

// mustHaveSeenOnlyGenuine checks every request that came to the bot: the gate let
// nothing forged through, and handed the secret to a bot that checks it, and to no
// other.
func (b *bot) mustHaveSeenOnlyGenuine(t *testing.T) {
	t.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, a := range b.arrived {
		if a.Path != genuinePath {
			t.Fatalf("a request to %s reached the bot", a.Path)
		}
		switch {
		case b.secret == "" && a.Secret != nil:
			t.Fatal("the secret reached the bot")
		case b.secret != "" && (a.Secret == nil || *a.Secret != b.secret):
			t.Fatal("the secret did not reach the bot")
		}
	}
}

// newBotAPI is a Bot API that takes messages, and answers to buttons.
func newBotAPI(o telegramtest.APIOptions) *telegramtest.API {
	results := map[string]string{
		"sendmessage":         `{"message_id":1,"date":1767225600,"chat":{"id":1,"type":"private"}}`,
		"answercallbackquery": `true`,
	}
	api := telegramtest.NewAPI(o)
	api.Fail(func(method string, _ map[string]string) *telegramtest.Fault {
		result := results[strings.ToLower(method)]
		if result == "" {
			return nil
		}
		return &telegramtest.Fault{
			Header: http.Header{"Content-Type": {"application/json"}},
			Body:   []byte(`{"ok":true,"result":` + result + `}`),
		}
	})
	return api
}
