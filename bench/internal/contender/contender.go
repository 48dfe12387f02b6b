// Package contender runs the programs that are compared. Each one receives
// updates over TLS on a port of the loopback interface.
//
//   - contender.go: the list of contenders
//   - process.go: starting and stopping them
//   - prepare.go, certificate.go: what is built and written before that
//   - caddy.go, nginx.go, haproxy.go, bots.go: their configurations
//   - reload.go: how each one loads its configuration again
package contender

import (
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"

	"github.com/caddy-telegram/telegramwebhook/internal/telegram"
)

const (
	// Host is the name that every contender serves.
	Host = "bot.example.com"

	// Secret is the secret that every contender accepts.
	Secret = "bench_0123456789-abcdefghijklmnopqrst"

	secretHeader = telegram.SecretHeader

	// Token is the token of every bot.
	Token = "123456789:bench_00000000000000000000000000"
)

// Contender is one way to receive updates.
type Contender struct {
	Name  string // on the command line
	Label string // in tables and plots
	Gate  bool   // the gate is part of it

	// Refusal is the status of the answer to a forgery; 0 if nothing is checked.
	Refusal int

	// Drops reports whether a forger's connections are closed without an answer.
	Drops bool

	prepare func(*Setup) error
	command func(*Running) (*exec.Cmd, error)
	reload  func(*Running) error // nil if it cannot reload
}

// All returns the contenders in the order in which they are shown.
func All() []*Contender {
	const refusal = http.StatusForbidden
	return []*Contender{
		gate("gate", "this gate", gateOptions{}),
		gate("gate-guard", "this gate, flood guard", gateOptions{guard: true}),
		gate("gate-log", "this gate, access log", gateOptions{log: true}),
		gate("gate-placeholders", "this gate, placeholders", gateOptions{placeholders: true}),
		gate("gate-dedupe", "this gate, dedupe", gateOptions{dedupe: true}),
		gate("gate-both", "this gate, placeholders and dedupe", gateOptions{placeholders: true, dedupe: true}),
		gate("gate-registered", "this gate, with a bot token", gateOptions{registered: true}),
		gate("gate-poll", "this gate, poll", gateOptions{registered: true, poll: true}),
		caddy("bare", "Caddy, no check", 0, proxySite, false),
		caddy("bare-defaults", "Caddy, no check, proxy with its defaults", 0, defaultProxySite, false),
		caddy("matcher", "Caddy, header matcher", refusal, matcherSite, false),
		caddy("matcher-log", "Caddy, header matcher, access log", refusal, matcherSite, true),
		nginx("nginx", "nginx", false),
		nginx("nginx-log", "nginx, access log", true),
		haproxy("haproxy", "HAProxy", false),
		haproxy("haproxy-log", "HAProxy, log", true),
		bot("go", "Go bot, go-telegram/bot", http.StatusOK, (*Setup).buildGoBot, goBot), // answers 200 and discards the update
		bot("grammy", "Node bot, grammY", http.StatusUnauthorized, (*Setup).NPMInstall, script("grammy.js")),
		bot("telegraf", "Node bot, Telegraf", http.StatusForbidden, (*Setup).NPMInstall, script("telegraf.js")),
	}
}

// Find returns the contender with that name, or nil.
func Find(name string) *Contender {
	for _, c := range All() {
		if c.Name == name {
			return c
		}
	}
	return nil
}

// URL returns the address of a page on the contender's site.
func (r *Running) URL(path string) string { return fmt.Sprintf("https://%s:%d%s", Host, r.port, path) }

// write creates a file in the contender's folder.
func (r *Running) write(name string, content []byte) (path string, err error) {
	path = filepath.Join(r.dir, name)
	return path, os.WriteFile(path, content, 0o600)
}
