// Package contender runs what is compared: each a set of processes that takes
// updates over TLS on a port of loopback.
//
//   - contender.go: what they have in common
//   - process.go: how they run
//   - prepare.go, certificate.go: what is built and made first
//   - caddy.go, many.go, nginx.go, haproxy.go, bots.go: how each is configured
//   - reload.go: how each takes on its configuration anew
package contender

import (
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"

	"github.com/caddy-telegram/telegramwebhook/bench/internal/load"
)

const (
	// Host is the name that all serve.
	Host = "bot.example.com"

	// Secret is the one that all accept.
	Secret = "bench_0123456789-abcdefghijklmnopqrst"

	secretHeader = "X-Telegram-Bot-Api-Secret-Token"

	token = "123456789:bench_00000000000000000000000000"
)

// Contender is a way to take updates.
type Contender struct {
	Name string
	What string // in a few words
	Gate bool   // it is this gate

	// Refusal is the status of a forgery; 0 if nothing is checked.
	Refusal int

	// Drops reports whether connections of forgers are closed without an answer.
	Drops bool

	// Bots is how many bots there are on the host, each with a path and a secret
	// of its own.
	Bots int

	prepare func(*Setup) error
	command func(*Running) (*exec.Cmd, error)
	reload  func(*Running) error // nil: it cannot
	live    func(*Running) (Live, error)
}

// All lists the contenders, in the order in which they are shown.
func All() []*Contender {
	const refusal = http.StatusForbidden
	return []*Contender{
		gate("gate", "this gate", gateExtras{}),
		gate("gate-guard", "this gate, flood guard", gateExtras{guard: true}),
		gate("gate-log", "this gate, access log", gateExtras{log: true}),
		gate("gate-placeholders", "this gate, placeholders used", gateExtras{placeholders: true}),
		gate("gate-dedupe", "this gate, dedupe", gateExtras{dedupe: true}),
		gate("gate-both", "this gate, placeholders and dedupe", gateExtras{placeholders: true, dedupe: true}),
		gate("gate-registered", "this gate, with a bot token", gateExtras{registered: true}),
		manyBots("gate-1000", "this gate, 1,000 bots", 1000),
		caddy("bare", "Caddy, no check", 0, bareSite, false),
		caddy("matcher", "Caddy, header matcher", refusal, matcherSite, false),
		caddy("matcher-log", "Caddy, header matcher, access log", refusal, matcherSite, true),
		nginx("nginx", "nginx", false),
		nginx("nginx-log", "nginx, access log", true),
		haproxy("haproxy", "HAProxy", false),
		haproxy("haproxy-log", "HAProxy, log", true),
		bot("go", "Go bot, go-telegram/bot", http.StatusOK, (*Setup).buildGoBot, goBot), // it answers 200 and drops the update
		bot("grammy", "Node bot, grammY", http.StatusUnauthorized, (*Setup).npmInstall, script("grammy.js")),
		bot("telegraf", "Node bot, Telegraf", http.StatusForbidden, (*Setup).npmInstall, script("telegraf.js")),
	}
}

// Find returns the contender of a name, nil if there is none.
func Find(name string) *Contender {
	for _, c := range All() {
		if c.Name == name {
			return c
		}
	}
	return nil
}

// Targets lists the bots of a contender.
func (r *Running) Targets() []load.Target {
	root := fmt.Sprintf("https://%s:%d/", Host, r.port)
	if r.Bots == 0 {
		return []load.Target{{URL: root, Secret: Secret}}
	}
	targets := make([]load.Target, r.Bots)
	for i := range targets {
		targets[i] = load.Target{URL: root + botPath(i), Secret: botSecret(i)}
	}
	return targets
}

// write puts a file into the folder of a contender.
func (r *Running) write(name string, content []byte) (path string, err error) {
	path = filepath.Join(r.dir, name)
	return path, os.WriteFile(path, content, 0o600)
}
