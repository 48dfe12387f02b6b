// Package contender runs what is compared: each a set of processes that takes
// updates over TLS on a port of loopback.
//
//   - contender.go: what they have in common
//   - process.go: how they run
//   - certificate.go: the one certificate of all
//   - caddy.go, nginx.go, haproxy.go, bots.go: how each is configured, and
//     reloaded
package contender

import (
	"crypto/x509"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
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

	// Refusal is the status of a forgery: 0 for one that checks nothing.
	Refusal int

	command func(*Running) (*exec.Cmd, error)
	reload  func(*Running) error // nil: it cannot
	live    func(*Running) (Live, error)
}

// Live is what a process in Go holds after a garbage collection.
type Live struct {
	Heap       int64
	Goroutines int
}

// Reloads reports whether a contender can take on a configuration anew.
func (c *Contender) Reloads() bool { return c.reload != nil }

// Setup is what all contenders share.
type Setup struct {
	Dir      string // for what they write
	Source   string // the folder of this module
	Upstream string // the address that gates pass updates to

	caddy, goBot  string // programs
	cert          string // PEM files: the certificate, its key, both
	key, combined string
	roots         *x509.CertPool
}

// All lists the contenders, in the order in which they are shown.
func All() []*Contender {
	return []*Contender{
		gate("gate", "this gate", ""),
		gate("gate-guard", "with the flood guard", "guard"),
		gate("gate-log", "with an access log", "log"),
		{Name: "bare", What: "Caddy, reverse_proxy only", command: caddyfile(bareSite, ""), reload: reloadCaddy, live: liveCaddy},
		{Name: "matcher", What: "Caddy, header matcher", Refusal: http.StatusForbidden, command: caddyfile(matcherSite, ""), reload: reloadCaddy, live: liveCaddy},
		{Name: "matcher-log", What: "Caddy, header matcher, with an access log", Refusal: http.StatusForbidden, command: caddyfile(matcherSite, "log"), reload: reloadCaddy, live: liveCaddy},
		{Name: "nginx", What: "nginx", Refusal: http.StatusForbidden, command: nginx("off"), reload: hup},
		{Name: "nginx-log", What: "nginx, with an access log", Refusal: http.StatusForbidden, command: nginx("access.log"), reload: hup},
		{Name: "haproxy", What: "HAProxy", Refusal: http.StatusForbidden, command: haproxy(false), reload: usr2},
		{Name: "haproxy-log", What: "HAProxy, with a log", Refusal: http.StatusForbidden, command: haproxy(true), reload: usr2},
	}
}

func (s *Setup) file(name string) string { return filepath.Join(s.Dir, name) }

// Prepare makes the certificate and builds the programs of this repository.
func (s *Setup) Prepare() error {
	if err := s.makeCertificate(); err != nil {
		return fmt.Errorf("making the certificate: %w", err)
	}
	s.caddy = s.file("caddy")
	return run(filepath.Join(s.Source, ".."), "go", "build", "-o", s.caddy, "./cmd/caddy")
}

// run runs a program in a folder, and tells what it wrote if it fails.
func run(dir, name string, args ...string) error {
	cmd := exec.Command(name, args...)
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w\n%s", cmd, err, out)
	}
	return nil
}

// write puts a file into the folder of a contender.
func (r *Running) write(name, content string) (path string, err error) {
	path = filepath.Join(r.dir, name)
	return path, os.WriteFile(path, []byte(content), 0o600)
}
