package telegramwebhook

import (
	"crypto/tls"
	"crypto/x509"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"github.com/caddyserver/caddy/v2/caddyconfig/httpcaddyfile"
	caddycmd "github.com/caddyserver/caddy/v2/cmd"
	_ "github.com/caddyserver/caddy/v2/modules/standard"
)

// The test binary is the Caddy binary too: with this variable it runs as one.
const runAsCaddy = "TEST_RUN_AS_CADDY"

func TestMain(m *testing.M) {
	if os.Getenv(runAsCaddy) != "" {
		registerTestHandlers()
		caddycmd.Main()
		return
	}
	flag.Parse()
	// Most tests wait for something: more of them than there are processors may.
	// A fuzz target's workers do not wait.
	if flag.Lookup("test.fuzz").Value.String() == "" {
		_ = flag.Set("test.parallel", "8")
	}
	os.Exit(m.Run())
}

func registerTestHandlers() {
	for _, name := range []string{"test_panic", "test_error"} {
		httpcaddyfile.RegisterDirectiveOrder(name, httpcaddyfile.Before, "respond")
	}
}

// The secrets that tests use, unless they are about secrets.
const (
	rightSecret = "right_secret_0123456789-abcdefghijkl"
	staleSecret = "stale_secret_0123456789-abcdefghijkl"
)

// caddyProcess is a running Caddy with storage and configuration of its own.
type caddyProcess struct {
	t   *testing.T
	dir string
	cmd *exec.Cmd
	out *output
}

// startCaddy runs a Caddyfile and waits until it is served. TELEGRAM_SECRET holds
// rightSecret in its environment.
func startCaddy(t *testing.T, caddyfile string) *caddyProcess {
	t.Helper()
	c := &caddyProcess{t: t, dir: t.TempDir(), out: newOutput()}
	if err := writeFile(c.file("Caddyfile"), caddyfile); err != nil {
		t.Fatal(err)
	}
	c.start()
	t.Cleanup(c.stop)
	for _, site := range httpsSites.FindAllStringSubmatch(caddyfile, -1) {
		waitUntil(t, "the certificate is served", func() bool { return c.serves(site[1]) })
	}
	return c
}

var httpsSites = regexp.MustCompile(`(?m)^https://(localhost:\d+) `)

// serves reports whether a site has its certificate.
func (c *caddyProcess) serves(address string) bool {
	conn, err := tls.Dial("tcp", address, &tls.Config{InsecureSkipVerify: true}) //nolint:gosec // it only asks for one
	if err != nil {
		return false
	}
	_ = conn.Close()
	return true
}

func (c *caddyProcess) start() {
	c.t.Helper()
	c.cmd = c.command("run", "--config", c.file("Caddyfile"))
	c.out = newOutput()
	c.cmd.Stdout, c.cmd.Stderr = c.out, c.out
	if err := c.cmd.Start(); err != nil {
		c.t.Fatal(err)
	}
	c.out.wait(c.t, "serving initial configuration")
}

// restart ends the process in the regular way, and starts it again.
func (c *caddyProcess) restart() {
	c.t.Helper()
	c.stop()
	c.start()
}

func writeFile(name, content string) error { return os.WriteFile(name, []byte(content), 0o600) }

// has reports whether there is a file or folder of that name.
func (c *caddyProcess) has(name string) bool {
	_, err := os.Stat(c.file(name))
	return err == nil
}

// command is a Caddy command with the process's own folders.
func (c *caddyProcess) command(args ...string) *exec.Cmd {
	cmd := exec.Command(os.Args[0], args...)
	cmd.Dir = c.dir
	cmd.Env = append(os.Environ(), runAsCaddy+"=1", "TELEGRAM_SECRET="+rightSecret,
		"TELEGRAM_TOKEN="+botToken, "TELEGRAM_OTHER_TOKEN="+otherToken,
		"HOME="+c.dir, "XDG_DATA_HOME="+c.file("data"), "XDG_CONFIG_HOME="+c.file("config"))
	return cmd
}

func (c *caddyProcess) file(name string) string { return filepath.Join(c.dir, name) }

// stop ends the process in the regular way and waits until it is gone.
func (c *caddyProcess) stop() {
	if c.cmd.ProcessState != nil {
		return
	}
	_ = c.cmd.Process.Signal(syscall.SIGTERM)
	_ = c.cmd.Wait()
}

// roots is Caddy's own CA as the only trusted one.
func (c *caddyProcess) roots() *x509.CertPool {
	c.t.Helper()
	return c.rootsOf(c.file("data/caddy/pki/authorities/local/root.crt"))
}

func (c *caddyProcess) rootsOf(file string) *x509.CertPool {
	c.t.Helper()
	pem, err := os.ReadFile(file)
	if err != nil {
		c.t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(pem)
	return roots
}

// globals is the options block of a test's Caddyfile.
func globals(more ...string) string {
	return fmt.Sprintf("{\n\tadmin off\n\tskip_install_trust\n\tauto_https disable_redirects\n\t%s\n}\n", strings.Join(more, "\n\t"))
}
