package caddytest

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/caddy-telegram/telegramwebhook/internal/telegramtest"
)

// Get asks Caddy's admin API, whatever the status.
func Get(t testing.TB, admin int, path string) string {
	t.Helper()
	_, body := AskAdmin(t, admin, http.MethodGet, path)
	return body
}

// AskAdmin makes a request to Caddy's admin API.
func AskAdmin(t testing.TB, admin int, method, path string) (code int, body string) {
	t.Helper()
	r, err := http.NewRequest(method, fmt.Sprintf("http://localhost:%d%s", admin, path), nil)
	if err != nil {
		t.Fatal(err)
	}
	resp := Do(t, http.DefaultClient, r)
	return resp.Status, resp.Body
}

// SecretHeader is the header with the webhook's secret.
const SecretHeader = "X-Telegram-Bot-Api-Secret-Token"

// MethodBody is an answer that Telegram executes.
const MethodBody = "{\"method\":\"sendMessage\",\n \"chat_id\":1, \"text\":\"\\u043f\\u0440\\u0438\\u0432\\u0435\\u0442\"}"

// Metrics is what Prometheus would get.
func Metrics(t testing.TB, admin int) string {
	t.Helper()
	return Get(t, admin, "/metrics")
}

// Load gives the running Caddy another configuration.
func Load(t testing.TB, admin int, caddyfile string) {
	t.Helper()
	if resp := TryLoad(t, admin, caddyfile); resp.Status != http.StatusOK {
		t.Fatalf("the configuration was not loaded: %d %s", resp.Status, resp.Body)
	}
}

// TryLoad is Load of a configuration that may be refused.
func TryLoad(t testing.TB, admin int, caddyfile string) Response {
	t.Helper()
	r, err := http.NewRequest(http.MethodPost, fmt.Sprintf("http://localhost:%d/load", admin), strings.NewReader(caddyfile))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "text/caddyfile")
	return Do(t, http.DefaultClient, r)
}

// Client speaks HTTPS as Telegram does: HTTP/1.1, and no redirects.
func (c *Process) Client() *http.Client {
	c.T.Helper()
	return c.ClientOf(c.RootFile())
}

// ClientOf trusts the certificates of another root.
func (c *Process) ClientOf(root string) *http.Client {
	c.T.Helper()
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: c.RootsOf(root)}}
	c.T.Cleanup(transport.CloseIdleConnections)
	return &http.Client{
		Transport:     transport,
		Timeout:       Patience,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// Response is an answer with its body read.
type Response struct {
	Status int
	Header http.Header
	Body   string
}

// Update is a request as Telegram makes it, with the secrets given.
func Update(t testing.TB, url string, secrets ...string) *http.Request {
	t.Helper()
	r, err := http.NewRequest(http.MethodPost, url, strings.NewReader(`{"update_id":1,"message":{"text":"hi"}}`))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header[SecretHeader] = secrets
	return r
}

// Do makes a request. A reload closes the listener that it replaces, and with it
// connections that nobody has accepted yet, and those that wait for another
// request: like Telegram it sends again at once then.
func Do(t testing.TB, client *http.Client, r *http.Request) Response {
	t.Helper()
	r.Header["Idempotency-Key"] = []string{} // which is not sent: net/http may send again
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
	return Response{resp.StatusCode, resp.Header, string(body)}
}

// StartBot is a bot on a loopback port.
func StartBot(t testing.TB, handler http.HandlerFunc) (address string) {
	t.Helper()
	bot := httptest.NewServer(handler)
	t.Cleanup(bot.Close)
	return bot.Listener.Addr().String()
}

// FreePort is a port that nobody listens on. It is below the range from which
// the system takes the ports of outgoing connections, so that none gets in between,
// and it is given out once, since tests run side by side.
func FreePort(t testing.TB) int {
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

// Tokens that only the stand-in knows.
const (
	BotToken   = "123456789:" + "test_token_for_loopback_only_0000000"
	OtherToken = "987654321:" + "another_token_for_loopback_only_0000"
)

// StartTelegram is a stand-in that takes webhooks on loopback. Its senders'
// pauses are a hundredth of the real.
func StartTelegram(t testing.TB) (api *telegramtest.API, address string) {
	t.Helper()
	api = telegramtest.NewAPI(telegramtest.APIOptions{
		Tokens: []string{BotToken, OtherToken}, AllowPort: true, AllowReserved: true,
		Sender: telegramtest.Options{After: func(d time.Duration) <-chan time.Time { return time.After(d / 100) }},
	})
	address, stop := api.Start()
	t.Cleanup(stop)
	return api, address
}
