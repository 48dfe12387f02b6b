package contender

import (
	"bytes"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"

	"github.com/caddy-telegram/telegramwebhook/internal/telegramtest"
)

// Setup holds what all contenders share.
type Setup struct {
	Dir      string // of the files that they write
	Source   string // the folder of this module
	Upstream string // the address of the bot behind the gates

	cert, key, combined string // PEM files: the certificate, its key, both
	roots               *x509.CertPool

	caddy, goBot string // programs; empty until they are built

	api string // the URL of a stand-in for the Bot API
}

// Prepare makes the certificate and starts a stand-in for the Bot API, which close
// stops. Programs are built when the first contender that needs one starts.
func (s *Setup) Prepare() (close func(), err error) {
	if err := s.makeCertificate(); err != nil {
		return nil, fmt.Errorf("making the certificate: %w", err)
	}
	s.api, close = telegramtest.NewAPI(telegramtest.APIOptions{Local: true}).Start()
	return close, nil
}

// For returns a setup for the gates of another bot, with a Bot API of its own.
func (s *Setup) For(upstream, api string) (*Setup, error) {
	err := s.buildCaddy() // once for all
	other := *s
	other.Upstream, other.api = upstream, api
	return &other, err
}

func (s *Setup) file(name string) string { return filepath.Join(s.Dir, name) }

func (s *Setup) bots() string { return filepath.Join(s.Source, "bots") }

// buildCaddy builds the Caddy of this repository. Contenders without the gate use
// it too: a module that is not configured does nothing.
func (s *Setup) buildCaddy() error {
	return build(&s.caddy, s.Caddy(), filepath.Join(s.Source, ".."), "./cmd/caddy")
}

func (s *Setup) buildGoBot() error {
	return build(&s.goBot, s.GoBot(), s.Source, "./bots/go")
}

func build(built *string, output, dir, pkg string) error {
	if *built != "" {
		return nil
	}
	*built = output
	return run(dir, "go", "build", "-o", output, pkg)
}

// Caddy and GoBot are the paths of the programs that are built.
func (s *Setup) Caddy() string { return s.file("caddy") }
func (s *Setup) GoBot() string { return s.file("go-bot") }

// NodePackage returns the installed version of a Node package.
func (s *Setup) NodePackage(name string) string {
	var description struct{ Version string }
	content, err := os.ReadFile(filepath.Join(s.bots(), "node_modules", name, "package.json"))
	if err != nil || json.Unmarshal(content, &description) != nil {
		return "not installed"
	}
	return description.Version
}

// NPMInstall installs the packages of the lock file, unless they are installed
// already.
func (s *Setup) NPMInstall() error {
	want, err := os.ReadFile(filepath.Join(s.bots(), "package-lock.json"))
	if err != nil {
		return err
	}
	installed := filepath.Join(s.bots(), "node_modules", ".installed-from")
	if have, err := os.ReadFile(installed); err == nil && bytes.Equal(have, want) {
		return nil
	}
	if err := run(s.bots(), "npm", "ci", "--no-audit", "--no-fund"); err != nil {
		return err
	}
	return os.WriteFile(installed, want, 0o644)
}

// installed returns a check that a program of Debian is installed.
func installed(name string) func(*Setup) error {
	return func(*Setup) error {
		if _, err := exec.LookPath(program(name)); err != nil {
			return fmt.Errorf("%w: install Debian's package %s", err, name)
		}
		return nil
	}
}

// program returns the path of a program that may be outside the user's PATH.
func program(name string) string {
	if path, err := exec.LookPath(name); err == nil {
		return path
	}
	return filepath.Join("/usr/sbin", name)
}

// run runs a program in a folder. If the program fails, the error holds its
// output.
func run(dir, name string, args ...string) error {
	cmd := exec.Command(name, args...)
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w\n%s", cmd, err, out)
	}
	return nil
}
