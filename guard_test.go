package telegramwebhook

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/caddy-telegram/telegramwebhook/internal/secret"
)

// stranger is a client with an address of its own on loopback.
type stranger struct {
	t       *testing.T
	address string
	config  *tls.Config
	server  string
}

// post makes one request on a new connection. The status is 0 if the connection
// was dropped before anything was answered.
func (s stranger) post(secretValue string) (status int, closed bool) {
	s.t.Helper()
	dialer := tls.Dialer{
		NetDialer: &net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(s.address)}, Timeout: patience},
		Config:    s.config,
	}
	conn, err := dialer.Dial("tcp4", s.server)
	if err != nil {
		return 0, true
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(patience))
	body := `{"update_id":1}`
	fmt.Fprintf(conn, "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n%s: %s\r\nContent-Length: %d\r\n\r\n%s",
		secret.Header, secretValue, len(body), body)
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		return 0, true
	}
	defer resp.Body.Close()
	_, _ = io.Copy(io.Discard, resp.Body)
	return resp.StatusCode, resp.Close
}

// TestGuard has addresses that keep forging, and others, connect to a guarded
// listener.
func TestGuard(t *testing.T) {
	t.Parallel()
	bot := startBot(t, func(http.ResponseWriter, *http.Request) {})
	admin, port := freePort(t), freePort(t)
	config := func(n int) string {
		return fmt.Sprintf(`{
	admin localhost:%d
	metrics
	skip_install_trust
	auto_https disable_redirects
	servers :%d {
		trusted_proxies static 127.0.0.9
		listener_wrappers {
			telegram_webhook {
				penalty 3 1m 10m
			}
			tls
		}
	}
}
https://localhost:%d {
	telegram_webhook {env.TELEGRAM_SECRET} {
		retry_after %ds
	}
	reverse_proxy %s
}
`, admin, port, port, n, bot)
	}
	c := startCaddy(t, config(1))
	at := func(address string) stranger {
		return stranger{t, address, &tls.Config{RootCAs: c.roots(), ServerName: "localhost"}, fmt.Sprintf("127.0.0.1:%d", port)}
	}
	forger, telegram, proxy, other := at("127.0.0.5"), at("127.0.0.6"), at("127.0.0.9"), at("127.0.0.7")

	if status, _ := telegram.post(rightSecret); status != http.StatusOK {
		t.Fatalf("genuine: got %d", status)
	}
	for i := range 3 {
		if status, closed := forger.post("forged"); status != http.StatusForbidden || closed != (i == 2) {
			t.Errorf("forgery %d: got %d, closed: %v, want 403, closed at the third", i+1, status, closed)
		}
	}
	if status, _ := forger.post("forged"); status != 0 {
		t.Errorf("forged too often: got %d, want no connection", status)
	}
	// Not penalized: who has delivered a genuine update, and a trusted proxy.
	for range 10 {
		for _, s := range []stranger{telegram, proxy} {
			if status, closed := s.post("forged"); status != http.StatusForbidden || closed {
				t.Errorf("%s: got %d, closed: %v", s.address, status, closed)
			}
		}
	}
	if status, _ := other.post(rightSecret); status != http.StatusOK {
		t.Errorf("another address: got %d", status)
	}
	load(t, admin, config(2))
	if status, _ := forger.post(rightSecret); status != 0 {
		t.Errorf("after a reload: got %d, want no connection still", status)
	}
	waitUntil(t, "the metrics say so", func() bool {
		all := getMetrics(t, admin)
		return strings.Contains(all, `caddy_telegram_webhook_dropped_connections_total{reason="penalty"} 2`) &&
			strings.Contains(all, "caddy_telegram_webhook_penalized_addresses 1")
	})
	if answer := get(t, admin, "/telegram_webhook/"); !strings.Contains(answer, `"guard":{"penalized":1,"dropped":{"address":0,"penalty":2,"unanswered":0}}`) {
		t.Errorf("the admin API does not say so: %s", answer)
	}
	c.stop()
	for _, want := range []string{`"msg":"address barred for forging"`, `"range":"127.0.0.5/32"`, `"msg":"connection dropped"`} {
		if !strings.Contains(c.out.String(), want) {
			t.Errorf("no %s in the log", want)
		}
	}
	if strings.Contains(c.out.String(), "enabling HTTP/3 listener") {
		t.Error("HTTP/3 is a way around")
	}
}

// TestGuardOnly lets only some addresses connect.
func TestGuardOnly(t *testing.T) {
	t.Parallel()
	port := freePort(t)
	c := startCaddy(t, globals(fmt.Sprintf("servers :%d {\n\t\tlistener_wrappers {\n\t\t\ttelegram_webhook {\n\t\t\t\tonly telegram 127.0.0.0/30\n\t\t\t}\n\t\t\ttls\n\t\t}\n\t}", port))+
		fmt.Sprintf("https://localhost:%d {\n\ttelegram_webhook {env.TELEGRAM_SECRET}\n\trespond ok\n}\n", port))
	for address, want := range map[string]int{"127.0.0.1": 200, "127.0.0.3": 200, "127.0.0.4": 0, "127.1.0.1": 0} {
		s := stranger{t, address, &tls.Config{RootCAs: c.roots(), ServerName: "localhost"}, fmt.Sprintf("127.0.0.1:%d", port)}
		if status, _ := s.post(rightSecret); status != want {
			t.Errorf("%s: got %d, want %d", address, status, want)
		}
	}
}
