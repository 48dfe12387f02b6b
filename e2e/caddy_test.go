package e2e

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/caddy-telegram/telegramwebhook/internal/storagetest"
)

const (
	host = "bot.example.com"

	// secret is what the webhook was registered with.
	secret = "e2e_0123456789-abcdefghijklmnopqrstuv"
)

// site is what the Caddyfile depends on.
type site struct {
	bot        *bot
	options    []string // of the gate
	admin      string   // address, or "off"
	generation int      // told in the header X-Generation of every answer
}

const caddyfile = `{
	admin %s
	skip_install_trust
	local_certs
	auto_https disable_redirects
}

https://%s:%d {
	bind 127.0.0.1
	header X-Generation %d
	telegram_webhook {env.TELEGRAM_WEBHOOK_SECRET} {
		%s
	}
	reverse_proxy %s
}
`

// caddy is a Caddy that may be started more than once, with storage of its own.
type caddy struct {
	t         *testing.T
	site      site
	host      string // the site's name
	env       []string
	caddyfile func() string
	dir       string
	port      int
	roots     *x509.CertPool
	process   *process
}

// newCaddy is a Caddy that has not been told what to serve.
func newCaddy(t *testing.T) *caddy {
	t.Helper()
	c := &caddy{t: t, host: host, dir: t.TempDir(), port: freePort(t)}
	if err := storagetest.SkipCleaning(c.file("data/caddy")); err != nil {
		t.Fatal(err)
	}
	return c
}

// startCaddy runs Caddy and returns once it serves the site.
func startCaddy(t *testing.T, s site) *caddy {
	t.Helper()
	c := newCaddy(t)
	c.site = s
	c.caddyfile = func() string {
		options := strings.Join(c.site.options, "\n\t\t")
		return fmt.Sprintf(caddyfile, s.admin, host, c.port, c.site.generation, options, s.bot.address)
	}
	c.start()
	return c
}

func (c *caddy) file(name string) string { return filepath.Join(c.dir, name) }

// start runs Caddy, again with what it has stored, and returns once it serves the site.
func (c *caddy) start() {
	c.t.Helper()
	c.launch()
	eventually(c.t, "Caddy serves the site", c.serves)
}

// launch starts Caddy's process.
func (c *caddy) launch() {
	c.t.Helper()
	if err := os.WriteFile(c.file("Caddyfile"), []byte(c.caddyfile()), 0o600); err != nil {
		c.t.Fatal(err)
	}
	cmd := exec.Command(caddyBinary, "run", "--config", c.file("Caddyfile"))
	cmd.Env = append(os.Environ(), "TELEGRAM_WEBHOOK_SECRET="+secret, "TELEGRAM_BOT_TOKEN="+botToken,
		"XDG_DATA_HOME="+c.file("data"), "XDG_CONFIG_HOME="+c.file("config"))
	cmd.Env = append(cmd.Env, c.env...)
	c.process = startProcess(c.t, cmd, func([]byte) {})
}

// serves reports whether Caddy answers with a certificate of its CA.
func (c *caddy) serves() bool {
	select {
	case <-c.process.ended:
		c.t.Fatal("Caddy has ended")
	default:
	}
	pem, err := os.ReadFile(c.file("data/caddy/pki/authorities/local/root.crt"))
	if err != nil {
		return false
	}
	c.roots = x509.NewCertPool()
	c.roots.AppendCertsFromPEM(pem)
	conn, err := tls.Dial("tcp", loopback(c.port), c.tls())
	if err != nil {
		return false
	}
	return conn.Close() == nil
}

func (c *caddy) tls() *tls.Config {
	return &tls.Config{ServerName: c.host, RootCAs: c.roots}
}

// kill ends Caddy without warning.
func (c *caddy) kill() {
	c.t.Helper()
	c.process.end(syscall.SIGKILL)
}

// terminate ends Caddy as a service manager does.
func (c *caddy) terminate() {
	c.t.Helper()
	c.process.end(syscall.SIGTERM)
	if state := c.process.cmd.ProcessState; !state.Success() {
		c.t.Errorf("Caddy ended with %v", state)
	}
}

// reload has the running Caddy take on the next generation of the site.
func (c *caddy) reload() {
	c.t.Helper()
	c.site.generation++
	resp, err := http.Post("http://"+c.site.admin+"/load", "text/caddyfile", strings.NewReader(c.caddyfile()))
	if err != nil {
		c.t.Fatal(err)
	}
	defer resp.Body.Close()
	if body, _ := io.ReadAll(resp.Body); resp.StatusCode != http.StatusOK {
		c.t.Fatalf("reload %d: %s: %s", c.site.generation, resp.Status, body)
	}
}

// dial reaches Caddy whatever the name is.
func (c *caddy) dial(ctx context.Context, network, _ string) (net.Conn, error) {
	return new(net.Dialer).DialContext(ctx, network, loopback(c.port))
}

func (c *caddy) url(path string) string {
	return fmt.Sprintf("https://%s:%d%s", c.host, c.port, path)
}
