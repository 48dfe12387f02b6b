package integration

import (
	"bufio"
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig"

	"github.com/caddy-telegram/telegramwebhook/integration/caddytest"
)

// peer is a client with a loopback address of its own.
type peer struct {
	t       testing.TB
	address string
	config  *tls.Config
	server  string
	header  string // of the PROXY protocol, if the server expects one
}

func newPeer(t testing.TB, c *caddytest.Process, address string, port int) peer {
	return peer{t, address, &tls.Config{RootCAs: c.Roots(), ServerName: "localhost"}, fmt.Sprintf("127.0.0.1:%d", port), ""}
}

func (p peer) dialer() *net.Dialer {
	return &net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(p.address)}, Timeout: caddytest.Patience}
}

// connect makes a connection and shakes hands. It returns nil if the connection
// was dropped before that.
func (p peer) connect() *tls.Conn {
	p.t.Helper()
	raw, err := p.dialer().Dial("tcp4", p.server)
	if err != nil {
		return nil
	}
	_ = raw.SetDeadline(time.Now().Add(caddytest.Patience))
	_, _ = io.WriteString(raw, p.header)
	conn := tls.Client(raw, p.config)
	if err := conn.Handshake(); err != nil {
		raw.Close()
		return nil
	}
	return conn
}

// send makes a request of lines on a connection, and returns its status, 0 if it
// was not answered, and whether the server closes the connection.
func (p peer) send(conn *tls.Conn, lines ...string) (status int, closed bool) {
	p.t.Helper()
	fmt.Fprintf(conn, "%s\r\n", strings.Join(append(lines[:1:1], append([]string{"Host: localhost"}, append(lines[1:], "")...)...), "\r\n"))
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		return 0, true
	}
	defer resp.Body.Close()
	_, _ = io.Copy(io.Discard, resp.Body)
	return resp.StatusCode, resp.Close
}

// post sends an update on a new connection. The status is 0 if that was dropped.
func (p peer) post(secretValue string) (status int, closed bool) {
	p.t.Helper()
	conn := p.connect()
	if conn == nil {
		return 0, true
	}
	defer conn.Close()
	return p.send(conn, "POST / HTTP/1.1", "Content-Type: application/json", caddytest.SecretHeader+": "+secretValue, "Content-Length: 0")
}

// wrapped is a Caddyfile of a bot on a port with listener wrappers.
func wrapped(port int, bot, wrappers string, options ...string) string {
	return caddytest.Globals(append(options, fmt.Sprintf("servers :%d {\n\t\tprotocols h1 h2\n\t\ttrusted_proxies static 127.0.0.9\n\t\tlistener_wrappers {\n%s\n\t\t}\n\t}", port, wrappers))...) +
		fmt.Sprintf("https://localhost:%d {\n\ttelegram_webhook {env.TELEGRAM_SECRET}\n\treverse_proxy %s\n}\n", port, bot)
}

func okBot(t testing.TB) string {
	return caddytest.StartBot(t, func(http.ResponseWriter, *http.Request) {})
}

// TestListenerPenalty has addresses forge, and others deliver.
func TestListenerPenalty(t *testing.T) {
	t.Parallel()
	bot, admin, port := okBot(t), caddytest.FreePort(t), caddytest.FreePort(t)
	config := func(trusted string) string {
		config := wrapped(port, bot, "telegram_webhook {\npenalty 3 1m 10m\n}\ntls", "metrics")
		return strings.NewReplacer("admin off", fmt.Sprintf("admin localhost:%d", admin), "127.0.0.9", trusted).Replace(config)
	}
	c := caddytest.Start(t, config("127.0.0.9"))
	forger, telegram, proxy, other := newPeer(t, c, "127.0.0.5", port), newPeer(t, c, "127.0.0.6", port), newPeer(t, c, "127.0.0.9", port), newPeer(t, c, "127.0.0.7", port)

	if status, _ := telegram.post(caddytest.RightSecret); status != http.StatusOK {
		t.Fatalf("genuine: got %d", status)
	}
	open, open2 := forger.connect(), forger.connect()
	defer open.Close()
	defer open2.Close()
	if status, closed := forger.send(open, "GET / HTTP/1.1"); status != http.StatusForbidden || closed {
		t.Errorf("a GET: got %d, closed: %v, want 403 on a connection that stays open", status, closed)
	}
	for i := range 3 {
		if status, closed := forger.post("forged"); status != http.StatusForbidden || closed != (i == 2) {
			t.Errorf("forgery %d: got %d, closed: %v, want 403, closed at the third", i+1, status, closed)
		}
	}
	if status, _ := forger.post("forged"); status != 0 {
		t.Errorf("forged too often: got %d, want no connection", status)
	}
	// Open connections are not cut: they end with the answer to the next refused request.
	for _, conn := range []*tls.Conn{open, open2} {
		if status, closed := forger.send(conn, "GET / HTTP/1.1"); status != http.StatusForbidden || !closed {
			t.Errorf("on an open connection: got %d, closed: %v, want 403 and closed", status, closed)
		}
	}
	// Not penalized: an address that has delivered a genuine update, and a trusted proxy.
	for range 10 {
		for _, p := range []peer{telegram, proxy} {
			if status, closed := p.post("forged"); status != http.StatusForbidden || closed {
				t.Errorf("%s: got %d, closed: %v", p.address, status, closed)
			}
		}
	}
	if status, _ := other.post(caddytest.RightSecret); status != http.StatusOK {
		t.Errorf("another address: got %d", status)
	}
	caddytest.Load(t, admin, config("127.0.0.9 127.0.0.10"))
	// The reload resets connections that the old server has not accepted yet. No wrapper counts those, so another follows.
	var sent time.Time
	caddytest.WaitUntil(t, "the metrics say so", func() bool {
		if time.Since(sent) > 5*time.Second {
			if status, _ := forger.post(caddytest.RightSecret); status != 0 {
				t.Errorf("after a reload: got %d, want no connection still", status)
			}
			sent = time.Now()
		}
		all := caddytest.Metrics(t, admin)
		return strings.Contains(all, `caddy_telegram_webhook_dropped_connections_total{reason="penalty"} 2`) &&
			strings.Contains(all, "caddy_telegram_webhook_penalized_addresses 1")
	})
	if answer := caddytest.Get(t, admin, "/telegram_webhook/"); !strings.Contains(answer, `"listener":{"penalized":1,"dropped":{"address":0,"penalty":2}}`) {
		t.Errorf("the admin API does not say so: %s", answer)
	}
	// A proxy that was barred before it was trusted comes in, unless the reload resets its connection.
	caddytest.Load(t, admin, config("127.0.0.5"))
	caddytest.WaitUntil(t, "the barred proxy is trusted", func() bool {
		status, _ := forger.post(caddytest.RightSecret)
		return status == http.StatusOK
	})
	c.Stop()
	for _, want := range []string{`"msg":"address barred for forging"`, `"range":"127.0.0.5/32"`, `"msg":"connection dropped"`} {
		if !strings.Contains(c.Out.String(), want) {
			t.Errorf("no %s in the log", want)
		}
	}
	if strings.Contains(c.Out.String(), "HTTP/3 connections bypass") {
		t.Error("warned of HTTP/3, which is off")
	}
}

// TestListenerWebPage has the visitors of a web page send what a page can make
// them send: that bars nobody.
func TestListenerWebPage(t *testing.T) {
	t.Parallel()
	port := caddytest.FreePort(t)
	c := caddytest.Start(t, wrapped(port, okBot(t), "telegram_webhook {\npenalty 3\n}\ntls"))
	visitor := newPeer(t, c, "127.0.0.5", port)
	for name, lines := range map[string][]string{
		"img":  {"GET /x.png HTTP/1.1", "Accept: image/avif,image/webp,*/*", "Sec-Fetch-Mode: no-cors"},
		"form": {"POST / HTTP/1.1", "Content-Type: text/plain", "Content-Length: 0"},
	} {
		for i := range 20 {
			conn := visitor.connect()
			if conn == nil {
				t.Fatalf("%s %d: dropped", name, i+1)
			}
			if status, closed := visitor.send(conn, lines...); status != http.StatusForbidden || closed {
				t.Fatalf("%s %d: got %d, closed: %v", name, i+1, status, closed)
			}
			conn.Close()
		}
	}
}

// TestListenerPlaceholder has somebody forge with the very value that redacted
// requests have in their header.
func TestListenerPlaceholder(t *testing.T) {
	t.Parallel()
	port := caddytest.FreePort(t)
	c := caddytest.Start(t, wrapped(port, okBot(t), "telegram_webhook {\npenalty 3\n}\ntls"))
	forger := newPeer(t, c, "127.0.0.5", port)
	for i := range 3 {
		if status, closed := forger.post("REDACTED"); status != http.StatusForbidden || closed != (i == 2) {
			t.Errorf("forgery %d: got %d, closed: %v", i+1, status, closed)
		}
	}
	if status, _ := forger.post("REDACTED"); status != 0 {
		t.Errorf("the forger is not barred: got %d", status)
	}
}

// TestListenerRightSecret has genuine updates come from an address that source does
// not accept. They are refused, but they are no forgeries.
func TestListenerRightSecret(t *testing.T) {
	t.Parallel()
	port := caddytest.FreePort(t)
	config := wrapped(port, okBot(t), "telegram_webhook {\npenalty 3\n}\ntls")
	c := caddytest.Start(t, strings.Replace(config, "telegram_webhook {env.TELEGRAM_SECRET}", "telegram_webhook {env.TELEGRAM_SECRET} {\n\t\tsource telegram\n\t}", 1))
	sender := newPeer(t, c, "127.0.0.6", port)
	for i := range 6 {
		if status, closed := sender.post(caddytest.RightSecret); status != http.StatusForbidden || closed {
			t.Fatalf("genuine update %d: got %d, closed: %v", i+1, status, closed)
		}
	}
	for range 3 {
		sender.post("a wrong secret")
	}
	if status, _ := sender.post(caddytest.RightSecret); status != 0 {
		t.Errorf("after three forgeries: got %d, want no answer", status)
	}
}

// TestListenerOnly lets only some addresses connect.
func TestListenerOnly(t *testing.T) {
	t.Parallel()
	port := caddytest.FreePort(t)
	c := caddytest.Start(t, wrapped(port, okBot(t), "telegram_webhook {\nonly telegram 127.0.0.0/30\n}\ntls"))
	for address, want := range map[string]int{"127.0.0.1": 200, "127.0.0.3": 200, "127.0.0.4": 0, "127.1.0.1": 0} {
		if status, _ := newPeer(t, c, address, port).post(caddytest.RightSecret); status != want {
			t.Errorf("%s: got %d, want %d", address, status, want)
		}
	}
}

// TestListenerProxyProtocol has connections come through a load balancer that
// tells their addresses.
func TestListenerProxyProtocol(t *testing.T) {
	t.Parallel()
	port := caddytest.FreePort(t)
	c := caddytest.Start(t, wrapped(port, okBot(t), "proxy_protocol {\ntimeout 50s\nallow 127.0.0.2/32\n}\ntelegram_webhook {\npenalty 3\n}\ntls"))
	client := func(address string) peer {
		p := newPeer(t, c, "127.0.0.2", port)
		p.header = fmt.Sprintf("PROXY TCP4 %s 192.0.2.1 40000 443\r\n", address)
		return p
	}
	for range 50 { // connections that stay silent: nobody waits for them
		silent, err := client("").dialer().Dial("tcp4", fmt.Sprintf("127.0.0.1:%d", port))
		if err != nil {
			t.Fatal(err)
		}
		defer silent.Close()
	}
	begin := time.Now()
	if status, _ := client("203.0.113.1").post(caddytest.RightSecret); status != http.StatusOK {
		t.Errorf("genuine, beside silent connections: got %d", status)
	}
	if took := time.Since(begin); took > 20*time.Second {
		t.Errorf("a genuine update has waited %s for silent connections", took)
	}
	// Whom it counts is whom it judges: the client, not the load balancer.
	for i := range 3 {
		if status, closed := client("203.0.113.2").post("forged"); status != http.StatusForbidden || closed != (i == 2) {
			t.Errorf("forgery %d: got %d, closed: %v", i+1, status, closed)
		}
	}
	if status, _ := client("203.0.113.2").post(caddytest.RightSecret); status != 0 {
		t.Errorf("the forger: got %d, want no connection", status)
	}
	if status, _ := client("203.0.113.3").post(caddytest.RightSecret); status != http.StatusOK {
		t.Errorf("another client of the load balancer: got %d", status)
	}
}

// TestListenerResets has sixteen threads of a barred address connect and reset the
// connection at once, while another address delivers.
func TestListenerResets(t *testing.T) {
	t.Parallel()
	for name, before := range map[string]string{"on the socket": "", "behind another wrapper": "proxy_protocol\n"} {
		t.Run(name, func(t *testing.T) {
			port := caddytest.FreePort(t)
			c := caddytest.Start(t, wrapped(port, okBot(t), before+"telegram_webhook {\npenalty 3\n}\ntls"))
			forger, telegram := newPeer(t, c, "127.0.0.5", port), newPeer(t, c, "127.0.0.6", port)
			for range 3 {
				forger.post("forged")
			}
			if status, _ := forger.post("forged"); status != 0 {
				t.Fatalf("the forger is not barred: got %d", status)
			}
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			var threads sync.WaitGroup
			var resets atomic.Int64
			for range 16 {
				threads.Go(func() {
					for i := 0; i < 10_000 && ctx.Err() == nil; i++ {
						conn, err := forger.dialer().DialContext(ctx, "tcp4", forger.server)
						if err != nil {
							continue
						}
						_ = conn.(*net.TCPConn).SetLinger(0)
						conn.Close()
						resets.Add(1)
					}
				})
			}
			caddytest.WaitUntil(t, "the flood has begun", func() bool { return resets.Load() > 100 })
			begin := time.Now()
			genuine := size(20, 5)
			for i := range genuine {
				if status, _ := telegram.post(caddytest.RightSecret); status != http.StatusOK || time.Since(begin) > caddytest.Patience/2 {
					t.Errorf("genuine update %d: got %d after %s, beside %d resets", i+1, status, time.Since(begin), resets.Load())
					break
				}
			}
			cancel()
			threads.Wait()
		})
	}
}

// adaptCaddyfile is a Caddyfile as JSON.
func adaptCaddyfile(source string) (string, error) {
	config, _, err := caddyconfig.GetAdapter("caddyfile").Adapt([]byte(source), map[string]any{"filename": "Caddyfile"})
	return string(config), err
}

// validateJSON does what `caddy validate` does with a configuration in JSON.
func validateJSON(t testing.TB, source string) error {
	t.Helper()
	var config caddy.Config
	if err := json.Unmarshal([]byte(source), &config); err != nil {
		t.Fatal(err)
	}
	config.StorageRaw = fmt.Appendf(nil, `{"module": "file_system", "root": %q}`, t.TempDir())
	config.Logging = &caddy.Logging{Logs: map[string]*caddy.CustomLog{"default": {BaseLog: caddy.BaseLog{Level: "PANIC"}}}}
	return caddy.Validate(&config)
}

// TestListenerOrder loads the wrapper in each place among others.
func TestListenerOrder(t *testing.T) {
	const ours = "telegram_webhook {\nonly telegram\n}\n"
	const late = "telegram_webhook: must be followed by tls, or it would drop connections only after their TLS handshake; the order of listener_wrappers is: telegram_webhook, tls"
	const early = "telegram_webhook: must come after proxy_protocol, or it would judge the proxy instead of the client; the order of listener_wrappers is: proxy_protocol, telegram_webhook, tls"
	for name, tc := range map[string]struct{ site, wrappers, want string }{
		"right":                        {"https://localhost:8443", ours + "tls", ""},
		"right, with proxy_protocol":   {"https://localhost:8443", "proxy_protocol\n" + ours + "tls", ""},
		"right, with http_redirect":    {"https://localhost:8443", ours + "http_redirect\ntls", ""},
		"right, plain HTTP":            {"http://localhost:8443", ours, ""},
		"right, plain HTTP, proxied":   {"http://localhost:8443", "proxy_protocol\n" + ours, ""},
		"no tls":                       {"https://localhost:8443", ours, late},
		"before tls":                   {"https://localhost:8443", "proxy_protocol\ntls\n" + ours, late},
		"before proxy_protocol":        {"https://localhost:8443", ours + "proxy_protocol\ntls", early},
		"plain, before proxy_protocol": {"http://localhost:8443", ours + "proxy_protocol", early},
		"both wrong":                   {"https://localhost:8443", ours + "proxy_protocol", early},
		"twice":                        {"https://localhost:8443", ours + ours + "tls", "telegram_webhook: is among the listener_wrappers twice"},
	} {
		config, err := adaptCaddyfile(fmt.Sprintf("{\nadmin off\nauto_https disable_redirects\nservers {\nprotocols h1 h2\nlistener_wrappers {\n%s\n}\n}\n}\n%s {\nrespond ok\n}\n", tc.wrappers, tc.site))
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if err := validateJSON(t, config); (err != nil) != (tc.want != "") || err != nil && !strings.HasSuffix(err.Error(), tc.want) {
			t.Errorf("%s: got %v, want %s", name, err, tc.want)
		}
	}
	// Written by hand, where the policy for TLS may be all that tells.
	for name, tc := range map[string]struct{ server, want string }{
		"right": {`"tls_connection_policies": [{}], "listener_wrappers": [{"wrapper": "telegram_webhook", "only": ["telegram"]}, {"wrapper": "tls"}]`, ""},
		"late":  {`"tls_connection_policies": [{}], "listener_wrappers": [{"only": ["telegram"], "wrapper": "telegram_webhook"}]`, late},
		"early": {`"listener_wrappers": [{"wrapper": "telegram_webhook", "only": ["telegram"]}, {"wrapper": "proxy_protocol"}]`, early},
		"by automatic HTTPS": {`"routes": [{"match": [{"host": ["bot.example.com"]}]}],
			"listener_wrappers": [{"wrapper": "telegram_webhook", "only": ["telegram"]}]`, late},
	} {
		config := fmt.Sprintf(`{"admin": {"disabled": true}, "apps": {"http": {"servers": {"x": {"listen": [":8443"], %s}}}}}`, tc.server)
		if err := validateJSON(t, config); (err != nil) != (tc.want != "") || err != nil && !strings.HasSuffix(err.Error(), tc.want) {
			t.Errorf("JSON, %s: got %v, want %s", name, err, tc.want)
		}
	}
}

// TestListenerHTTP3 warns where HTTP/3 is a way around the wrapper.
func TestListenerHTTP3(t *testing.T) {
	t.Parallel()
	c := caddytest.New(t)
	for name, tc := range map[string]struct {
		site, protocols, bind string
		want                  bool
	}{
		"by default":      {"https://localhost:8443", "", "", true},
		"written":         {"https://localhost:8443", "protocols h1 h2 h3", "", true},
		"turned off":      {"https://localhost:8443", "protocols h1 h2", "", false},
		"plain":           {"http://localhost:8443", "", "", false},
		"on one address":  {"https://localhost:8443", "protocols h1 h2", "bind 127.0.0.1 {\nprotocols h1 h2 h3\n}", true},
		"off on that one": {"https://localhost:8443", "", "bind 127.0.0.1 {\nprotocols h1 h2\n}", false},
	} {
		config := fmt.Sprintf("{\nadmin off\nservers {\n%s\nlistener_wrappers {\nhttp_redirect\ntelegram_webhook {\nonly telegram\n}\ntls\n}\n}\n}\n%s {\n%s\nrespond ok\n}\n", tc.protocols, tc.site, tc.bind)
		if err := caddytest.WriteFile(c.File("Caddyfile"), config); err != nil {
			t.Fatal(err)
		}
		out, err := c.Command("validate", "--config", c.File("Caddyfile")).CombinedOutput()
		if err != nil {
			t.Fatalf("%s: %v\n%s", name, err, out)
		}
		warned := strings.Contains(string(out), "HTTP/3 connections bypass the listener wrapper") && strings.Contains(string(out), `add \"protocols h1 h2\" to the servers options`)
		if warned != tc.want {
			t.Errorf("%s: warned %v\n%s", name, warned, out)
		}
	}
}
