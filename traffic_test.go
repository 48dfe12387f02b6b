package telegramwebhook

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

	"github.com/caddy-telegram/telegramwebhook/internal/telegram"
)

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
	r.Header[telegram.SecretHeader] = secrets
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
