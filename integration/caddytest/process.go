// Package caddytest runs the test binary as Caddy, for the tests that drive a real
// process, and has what such tests have in common.
package caddytest

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"

	caddycmd "github.com/caddyserver/caddy/v2/cmd"
	_ "github.com/caddyserver/caddy/v2/modules/standard"

	_ "github.com/caddy-telegram/telegramwebhook"
	"github.com/caddy-telegram/telegramwebhook/internal/storagetest"
)

// The test binary is the Caddy binary too: with this variable it runs as one.
const runAsCaddy = "TEST_RUN_AS_CADDY"

// Main is the TestMain of a package whose tests start Caddy. With -short it runs those of
// the pattern short alone, unless others are asked for by name.
func Main(m *testing.M, short string) {
	if os.Getenv(runAsCaddy) != "" {
		caddycmd.Main()
		return
	}
	flag.Parse()
	// Most tests wait for something: more of them than there are processors may.
	_ = flag.Set("test.parallel", "16")
	if run := flag.Lookup("test.run"); testing.Short() && run.Value.String() == "" {
		_ = run.Value.Set(short)
	}
	os.Exit(m.Run())
}

// The secrets that tests use, unless they are about secrets.
const (
	RightSecret  = "right_secret_0123456789-abcdefghijkl"
	StaleSecret  = "stale_secret_0123456789-abcdefghijkl"
	ForgedSecret = "forged_secret_0123456789-abcdefghijk"
)

// Process is a running Caddy with storage and configuration of its own.
type Process struct {
	T   testing.TB
	Dir string
	Cmd *exec.Cmd
	Out *Output
	Env []string // besides what each Command has
}

// New is a Caddy that does not run: folders and commands.
func New(t testing.TB) *Process {
	c := &Process{T: t, Dir: t.TempDir(), Out: NewOutput()}
	if err := storagetest.SkipCleaning(c.File("data/caddy")); err != nil {
		t.Fatal(err)
	}
	return c
}

// Start runs a Caddyfile and waits until it is served. TELEGRAM_SECRET holds
// RightSecret in its environment, to which env adds variables.
func Start(t testing.TB, caddyfile string, env ...string) *Process {
	t.Helper()
	c := New(t)
	c.Env = env
	if err := WriteFile(c.File("Caddyfile"), caddyfile); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Quit) // also of a Caddy that does not come up
	c.Start()
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("Caddy wrote:\n%s", c.Out)
		}
	})
	for _, site := range httpsSites.FindAllStringSubmatch(caddyfile, -1) {
		WaitUntil(t, "the certificate is served", func() bool { return c.Serves(site[1]) })
	}
	return c
}

var httpsSites = regexp.MustCompile(`(?m)^https://((?:[\w*]+\.)*localhost:\d+) `)

// Serves reports whether a site has its certificate.
func (c *Process) Serves(address string) bool {
	host, port, _ := strings.Cut(address, ":")
	conn, err := tls.Dial("tcp", "localhost:"+port, &tls.Config{
		ServerName: strings.Replace(host, "*", "any", 1), InsecureSkipVerify: true, //nolint:gosec // it only asks for a certificate
	})
	if err != nil {
		return false
	}
	_ = conn.Close()
	return true
}

// Start starts the process again, after it has ended.
func (c *Process) Start() {
	c.T.Helper()
	c.Cmd = c.Command("run", "--config", c.File("Caddyfile"))
	c.Out = NewOutput()
	c.Cmd.Stdout, c.Cmd.Stderr = c.Out, c.Out
	if err := c.Cmd.Start(); err != nil {
		c.T.Fatal(err)
	}
	c.Out.Wait(c.T, "serving initial configuration")
}

// Restart ends the process in the regular way, and starts it again.
func (c *Process) Restart() {
	c.T.Helper()
	c.Stop()
	c.Start()
}

// Has reports whether there is a file or folder of that name.
func (c *Process) Has(name string) bool {
	_, err := os.Stat(c.File(name))
	return err == nil
}

// Command is a Caddy command with the process's own folders.
func (c *Process) Command(args ...string) *exec.Cmd {
	cmd := exec.Command(os.Args[0], args...)
	cmd.Dir = c.Dir
	cmd.Env = append(os.Environ(), runAsCaddy+"=1", "TELEGRAM_SECRET="+RightSecret,
		"TELEGRAM_TOKEN="+BotToken, "TELEGRAM_OTHER_TOKEN="+OtherToken,
		"HOME="+c.Dir, "XDG_DATA_HOME="+c.File("data"), "XDG_CONFIG_HOME="+c.File("config"))
	cmd.Env = append(cmd.Env, c.Env...)
	return cmd
}

// File is a file in the folder of the process.
func (c *Process) File(name string) string { return filepath.Join(c.Dir, name) }

// Stop ends the process in the regular way and waits until it is gone. That takes 5 seconds
// while a connection is open on which no request has come, as Telegram makes one when a
// webhook is set: net/http waits for the request.
func (c *Process) Stop() { c.end(syscall.SIGTERM) }

// Quit ends the process at once. It still releases its locks and writes its coverage.
func (c *Process) Quit() { c.end(syscall.SIGQUIT) }

func (c *Process) end(signal syscall.Signal) {
	if c.Cmd == nil || c.Cmd.Process == nil || c.Cmd.ProcessState != nil {
		return
	}
	_ = c.Cmd.Process.Signal(signal)
	_ = c.Cmd.Wait()
}

// Roots is Caddy's own CA as the only trusted one.
func (c *Process) Roots() *x509.CertPool {
	c.T.Helper()
	return c.RootsOf(c.RootFile())
}

// RootsOf is the certificate in a file as the only trusted one.
func (c *Process) RootsOf(file string) *x509.CertPool {
	c.T.Helper()
	pem, err := os.ReadFile(file)
	if err != nil {
		c.T.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(pem)
	return roots
}

// Globals is the options block of a test's Caddyfile.
func Globals(more ...string) string {
	return fmt.Sprintf("{\n\tadmin off\n\tskip_install_trust\n\tauto_https disable_redirects\n\t%s\n}\n", strings.Join(more, "\n\t"))
}

// CLI runs `caddy telegram-webhook` with the right secret in its environment, and
// returns what it wrote and its exit status.
func (c *Process) CLI(args ...string) (stdout, stderr string, status int) {
	c.T.Helper()
	cmd := c.Command(append([]string{"telegram-webhook"}, args...)...)
	// Nobody is at the default address of the admin API.
	cmd.Env = append(cmd.Env, "TELEGRAM_WEBHOOK_SECRET="+RightSecret, "CADDY_ADMIN=localhost:1")
	if args[0] == "audit" || args[0] == "send" {
		cmd.Env = append(cmd.Env, "SSL_CERT_FILE="+c.RootFile()) // as if the CA were public
	}
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	err := cmd.Run()
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		err, status = nil, exit.ExitCode()
	}
	if err != nil {
		c.T.Fatal(err)
	}
	if all := out.String() + errs.String(); strings.Contains(all, RightSecret) {
		c.T.Errorf("%q writes the secret:\n%s", args, all)
	}
	return out.String(), errs.String(), status
}

// RootFile is the root of Caddy's own CA.
func (c *Process) RootFile() string { return c.File("data/caddy/pki/authorities/local/root.crt") }
