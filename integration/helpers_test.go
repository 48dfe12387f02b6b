// Package integration has the tests that drive real Caddy processes: one file for
// each chapter of what is promised.
package integration

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/httpcaddyfile"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/caddy-telegram/telegramwebhook/integration/caddytest"
	"github.com/caddy-telegram/telegramwebhook/internal/telegramtest"
)

func TestMain(m *testing.M) { caddytest.Main(m, inShort) }

// inShort are the tests that -short runs: of each chapter one or two that are quick.
const inShort = "^Test(Answers|AnswersThatBreakOff|BehindProxy|CommandSend|Dedupe.*|ExampleByType|FilesThatChange|ListenerPenalty|.*Documented|Metrics|Placeholders|" +
	"RedactedInEveryFormat|RefusalsInCaddysMetrics|RegistrationCutsRequests|SeveralServers|SameBotTwice|StrictSNIHost|Trailers|UnannouncedBody|URLFromEnvironment)$"

// size is how much of something a test does: less of it with -short.
func size(full, short int) int {
	if testing.Short() {
		return short
	}
	return full
}

// defaultHSTS is the header of every answer over HTTPS, if nothing else is configured.
const defaultHSTS = "max-age=31536000"

// Two handlers that fail, to stand behind the gate in tests.
func init() {
	caddy.RegisterModule(testPanic{})
	caddy.RegisterModule(testError{})
	httpcaddyfile.RegisterHandlerDirective("test_panic", func(httpcaddyfile.Helper) (caddyhttp.MiddlewareHandler, error) {
		return testPanic{}, nil
	})
	httpcaddyfile.RegisterHandlerDirective("test_error", func(httpcaddyfile.Helper) (caddyhttp.MiddlewareHandler, error) {
		return testError{}, nil
	})
	for _, name := range []string{"test_panic", "test_error"} {
		httpcaddyfile.RegisterDirectiveOrder(name, httpcaddyfile.Before, "respond")
	}
}

type testPanic struct{}

func (testPanic) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "http.handlers.test_panic", New: func() caddy.Module { return testPanic{} }}
}

func (testPanic) ServeHTTP(http.ResponseWriter, *http.Request, caddyhttp.Handler) error {
	panic("test panic")
}

type testError struct{}

func (testError) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "http.handlers.test_error", New: func() caddy.Module { return testError{} }}
}

func (testError) ServeHTTP(http.ResponseWriter, *http.Request, caddyhttp.Handler) error {
	return caddyhttp.Error(http.StatusTeapot, errors.New("test error"))
}

// operate asks the gate's part of the admin API.
func operate(t testing.TB, admin int, method, path string) (code int, body string) {
	t.Helper()
	return caddytest.AskAdmin(t, admin, method, "/telegram_webhook/"+path)
}

// webhookState is a webhook as the admin API tells of it.
type webhookState struct {
	State, Detail, URL, Advice string
	RegisteredBy               string    `json:"registered_by"`
	RegisteredAt               time.Time `json:"registered_at"`
	Telegram                   *struct{ URL string }
	Polling                    *struct {
		Waiting   int
		FetchedAt time.Time `json:"fetched_at"`
	}
	Secret struct {
		Source    string
		Made, Due time.Time
	}
	Requests map[string]uint64
}

// state reads the state of a webhook.
func state(t testing.TB, admin int, name string) (s webhookState) {
	t.Helper()
	code, body := operate(t, admin, http.MethodGet, name)
	if err := json.Unmarshal([]byte(body), &s); err != nil || code != http.StatusOK {
		t.Fatalf("GET %s: got %d, %v: %s", name, code, err, body)
	}
	return s
}

// untilTaken waits until Telegram takes setWebhook again, once a second.
func untilTaken(t testing.TB, api *telegramtest.API) {
	t.Helper()
	calls := api.Calls("setWebhook")
	caddytest.WaitUntil(t, "a second has passed", func() bool { return time.Since(calls[len(calls)-1].At) > time.Second+100*time.Millisecond })
}

// handle is a handle block of a Caddyfile.
func handle(path string, lines ...string) string {
	return fmt.Sprintf("\thandle %s {\n\t\t%s\n\t}\n", path, strings.Join(lines, "\n\t\t"))
}

func reportSecrets(t testing.TB, where string, content []byte, secrets []string) {
	t.Helper()
	for _, s := range secrets {
		if i := bytes.Index(content, []byte(s)); i >= 0 {
			t.Errorf("%s holds %q:\n%s", where, s, content[max(0, i-500):min(len(content), i+100)])
		}
	}
}

// configure calls Caddy's config API.
func configure(t testing.TB, method string, admin int, path, body string) {
	t.Helper()
	r, err := http.NewRequest(method, fmt.Sprintf("http://localhost:%d%s", admin, path), strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	if resp := caddytest.Do(t, http.DefaultClient, r); resp.Status != http.StatusOK {
		t.Fatalf("%s %s: %d: %s", method, path, resp.Status, resp.Body)
	}
}

// onLoopback has a client connect to 127.0.0.1, whatever the host is.
func onLoopback(client *http.Client) *http.Client {
	client.Transport.(*http.Transport).DialContext = func(ctx context.Context, network, address string) (net.Conn, error) {
		_, port, err := net.SplitHostPort(address)
		if err != nil {
			return nil, err
		}
		return new(net.Dialer).DialContext(ctx, network, net.JoinHostPort("127.0.0.1", port))
	}
	return client
}

// searchAll stops Caddy and searches all that it wrote, but for its record of kept
// secrets.
func searchAll(c *caddytest.Process, secrets ...string) {
	c.T.Helper()
	c.Stop()
	reportSecrets(c.T, "the output", []byte(c.Out.String()), secrets)
	err := filepath.WalkDir(c.Dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || filepath.Base(path) == "secret.json" {
			return err
		}
		content, err := os.ReadFile(path)
		reportSecrets(c.T, path, content, secrets)
		return err
	})
	if err != nil {
		c.T.Fatal(err)
	}
}

// registeringSite is a site whose bot is registered by the gate. More lines go
// into the options block and into the directive's.
func registeringSite(port int, api, bot, options string, lines ...string) string {
	return fmt.Sprintf(`{
	%s
	skip_install_trust
	auto_https disable_redirects
}
https://localhost:%d {
	telegram_webhook {env.TELEGRAM_SECRET} {
		bot_token {env.TELEGRAM_TOKEN}
		api %s
		certificate internal
		%s
	}
	reverse_proxy %s
}
`, options, port, api, strings.Join(lines, "\n\t\t"), bot)
}

func wantSetWebhook(t testing.TB, api *telegramtest.API, n int, when string) {
	t.Helper()
	if got := len(api.Calls("setWebhook")); got != n {
		t.Errorf("%s: %d calls of setWebhook, want %d", when, got, n)
	}
}

// failSetWebhook has setWebhook go wrong, and no other method.
func failSetWebhook(fault *telegramtest.Fault) func(string, map[string]string) *telegramtest.Fault {
	return func(method string, _ map[string]string) *telegramtest.Fault {
		if strings.EqualFold(method, "setWebhook") {
			return fault
		}
		return nil
	}
}

// keptSite is a site whose bot has a kept secret.
func keptSite(port int, api, bot, options string, lines ...string) string {
	return strings.Replace(registeringSite(port, api, bot, options, lines...), "telegram_webhook {env.TELEGRAM_SECRET} {", "telegram_webhook {", 1)
}

// genuine is a request with that update.
func genuine(t testing.TB, url string, body []byte) *http.Request {
	t.Helper()
	r := caddytest.Update(t, url, caddytest.RightSecret)
	r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
	return r
}
