package telegramwebhook

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2/caddyconfig/httpcaddyfile"
	caddycmd "github.com/caddyserver/caddy/v2/cmd"
	_ "github.com/caddyserver/caddy/v2/modules/standard"

	"github.com/caddy-telegram/telegramwebhook/internal/secret"
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

// patience bounds every wait for something that must happen.
const patience = time.Minute

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

// waitUntil asks again and again until something is so.
func waitUntil(t *testing.T, what string, is func() bool) {
	t.Helper()
	timeout, tick := time.After(patience), time.NewTicker(20*time.Millisecond)
	defer tick.Stop()
	for !is() {
		select {
		case <-tick.C:
		case <-timeout:
			t.Fatalf("not in time: %s", what)
		}
	}
}

// within receives what must come.
func within[T any](t *testing.T, what string, from <-chan T) T {
	t.Helper()
	select {
	case v := <-from:
		return v
	case <-time.After(patience):
		t.Fatalf("not in time: %s", what)
		panic("unreachable")
	}
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

// client speaks HTTPS as Telegram does: HTTP/1.1, and no redirects.
func (c *caddyProcess) client() *http.Client {
	c.t.Helper()
	return c.clientOf(c.file("data/caddy/pki/authorities/local/root.crt"))
}

// clientOf trusts the certificates of another root.
func (c *caddyProcess) clientOf(root string) *http.Client {
	c.t.Helper()
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: c.rootsOf(root)}}
	c.t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{
		Transport:     transport,
		Timeout:       patience,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// response is an answer with its body read.
type response struct {
	status int
	header http.Header
	body   string
}

// update is a request as Telegram makes it, with the secrets given.
func update(t *testing.T, url string, secrets ...string) *http.Request {
	t.Helper()
	r, err := http.NewRequest(http.MethodPost, url, strings.NewReader(`{"update_id":1,"message":{"text":"hi"}}`))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header[secret.Header] = secrets
	return r
}

// do makes a request. A reload closes the listener that it replaces, and with it
// connections that nobody has accepted yet: like Telegram it sends again at once then.
func do(t *testing.T, client *http.Client, r *http.Request) response {
	t.Helper()
	resp, err := client.Do(r)
	for try := 1; try < 5 && (errors.Is(err, io.EOF) || errors.Is(err, syscall.ECONNRESET)); try++ {
		if r.GetBody != nil {
			if r.Body, err = r.GetBody(); err != nil {
				t.Fatal(err)
			}
		}
		resp, err = client.Do(r)
	}
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response{resp.StatusCode, resp.Header, string(body)}
}

// startBot is a bot on a loopback port.
func startBot(t *testing.T, handler http.HandlerFunc) (address string) {
	t.Helper()
	bot := httptest.NewServer(handler)
	t.Cleanup(bot.Close)
	return bot.Listener.Addr().String()
}

// freePort is a port that nobody listens on. It is below the range from which
// the system takes the ports of outgoing connections, so that none gets in between,
// and it is given out once, since tests run side by side.
func freePort(t *testing.T) int {
	t.Helper()
	for range 100 {
		port := 10000 + rand.IntN(20000)
		if _, given := givenPorts.LoadOrStore(port, true); given {
			continue
		}
		if l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port)); err == nil {
			_ = l.Close()
			return port
		}
	}
	t.Fatal("no free port")
	return 0
}

var givenPorts sync.Map

// globals is the options block of a test's Caddyfile.
func globals(more ...string) string {
	return fmt.Sprintf("{\n\tadmin off\n\tskip_install_trust\n\tauto_https disable_redirects\n\t%s\n}\n", strings.Join(more, "\n\t"))
}

// output is what a process writes, and can be waited for.
type output struct {
	mu      sync.Mutex
	buf     bytes.Buffer
	changed chan struct{}
}

func newOutput() *output { return &output{changed: make(chan struct{})} }

func (o *output) Write(b []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	close(o.changed)
	o.changed = make(chan struct{})
	return o.buf.Write(b)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.String()
}

// wait returns when the text has been written.
func (o *output) wait(t *testing.T, text string) {
	t.Helper()
	timeout := time.After(patience)
	for {
		o.mu.Lock()
		found, changed := strings.Contains(o.buf.String(), text), o.changed
		o.mu.Unlock()
		if found {
			return
		}
		select {
		case <-changed:
		case <-timeout:
			t.Fatalf("no %q in the output:\n%s", text, o)
		}
	}
}
