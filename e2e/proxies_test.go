package e2e

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/caddy-telegram/telegramwebhook/internal/telegramtest"
)

// Each client of these tests has a loopback address of its own. The proxies reach
// Caddy from 127.0.0.1.
const (
	telegramAddress = "127.0.0.5"
	forgerAddress   = "127.0.0.6"
	spooferAddress  = "127.0.0.7"
)

// nginx ends TLS, as in examples/proxies. The webhook is registered at nginx's address,
// genuine updates pass, forgeries get 403, and the audit log has the address of the
// client, whatever the client writes into X-Forwarded-For.
func TestBehindNginx(t *testing.T) {
	front := freePort(t)
	i, updates := behindProxy(t, front)
	certificate, key := i.file("certificate.pem"), i.file("key.pem")
	if err := command(i.dir, "openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN="+host,
		"-addext", "subjectAltName=DNS:"+host, "-keyout", key, "-out", certificate); err != nil {
		t.Fatal(err)
	}
	pem, err := os.ReadFile(certificate)
	if err != nil {
		t.Fatal(err)
	}
	i.roots = x509.NewCertPool()
	i.roots.AppendCertsFromPEM(pem)

	server := replaceAll(t, readExample(t, "proxies/nginx.conf"),
		"listen 443 ssl", fmt.Sprintf("listen %s ssl", loopback(front)),
		"/etc/ssl/bot.example.com/fullchain.pem", certificate, "/etc/ssl/bot.example.com/privkey.pem", key,
		"127.0.0.1:8088", loopback(i.port))
	config := i.file("nginx.conf")
	if err := os.WriteFile(config, fmt.Appendf(nil, "daemon off;\npid %[1]s/nginx.pid;\nerror_log stderr;\nevents {}\nhttp {\naccess_log off;\n"+
		"client_body_temp_path %[1]s/body;\nproxy_temp_path %[1]s/proxy;\nfastcgi_temp_path %[1]s/fastcgi;\nuwsgi_temp_path %[1]s/uwsgi;\n"+
		"scgi_temp_path %[1]s/scgi;\n%[2]s}\n", i.dir, server), 0o600); err != nil {
		t.Fatal(err)
	}
	startProcess(t, exec.Command("nginx", "-c", config, "-e", "stderr"), func([]byte) {})
	eventually(t, "nginx listens", func() bool { return listens(loopback(front)) })

	text := replaceAll(t, readExample(t, "proxies/nginx.Caddyfile"), "{\n\tservers {", fmt.Sprintf("{\n\tadmin %s\n\tservers {", i.admin),
		host+":8088", fmt.Sprintf("%s:%d", host, i.port), "127.0.0.1:8080", updates.address,
		"url https://bot.example.com/", fmt.Sprintf("url https://%s:%d/\n\t\tapi %s\n\t\tcertificate %s", host, front, i.apiURL, certificate))
	i.caddyfile = func() string { return text }
	i.launch()
	eventually(t, "Telegram has the webhook", func() bool { return i.api.Webhook(botToken).URL == fmt.Sprintf("https://%s:%d/", host, front) })

	i.text(1, saying)
	i.awaitDelivered()

	clients := map[string]http.Header{forgerAddress: {}, spooferAddress: {"X-Forwarded-For": {"149.154.167.220"}, "X-Real-Ip": {"149.154.167.220"}}}
	for address, header := range clients {
		header.Set("X-Telegram-Bot-Api-Secret-Token", "wrong_0123456789-abcdefghijklmnopqrst")
		if status, err := i.post(address, fmt.Sprintf("https://%s:%d/", host, front), header); err != nil || status != http.StatusForbidden {
			t.Errorf("a forgery from %s: got %d, %v", address, status, err)
		}
		eventually(t, "the audit log has the address of "+address, func() bool { return i.process.out.contain(`"client_ip":"` + address + `"`) })
	}
	// A client that reaches Caddy beside nginx is not believed to have used HTTPS.
	header := http.Header{"X-Forwarded-Proto": {"https"}, "X-Forwarded-For": {"149.154.167.220"}}
	header.Set("X-Telegram-Bot-Api-Secret-Token", i.api.Webhook(botToken).Secret)
	if status, err := i.post(spooferAddress, fmt.Sprintf("http://%s:%d/", host, i.port), header); err != nil || status != http.StatusForbidden {
		t.Errorf("plain HTTP beside nginx: got %d, %v", status, err)
	}
	if i.process.out.contain("149.154.167.220") {
		t.Error("a client's own X-Forwarded-For was believed")
	}
	if n := updates.count.Load(); n != 1 {
		t.Errorf("the bot got %d updates, want the genuine one", n)
	}
}

// HAProxy passes on connections with the PROXY protocol, as in examples/proxies. An
// address that keeps forging is barred, and neither the balancer nor its other clients.
func TestBehindHAProxy(t *testing.T) {
	front := freePort(t)
	i, updates := behindProxy(t, front)
	config := i.file("haproxy.cfg")
	if err := os.WriteFile(config, []byte(replaceAll(t, readExample(t, "proxies/haproxy.cfg"),
		"bind :443", "bind "+loopback(front), "bind :80", "bind "+loopback(freePort(t)),
		"10.0.0.11:443", loopback(i.port),
		// One Caddy is enough to see what it learns, and its port 80 is not in use.
		"\tserver two 10.0.0.12:443 send-proxy-v2 check check-send-proxy\n", "",
		"10.0.0.11:80 check", loopback(i.port), "10.0.0.12:80 check", loopback(i.port))), 0o600); err != nil {
		t.Fatal(err)
	}
	text := replaceAll(t, readExample(t, "proxies/haproxy.Caddyfile"),
		"{\n\tservers :443 {", fmt.Sprintf("{\n\tadmin %s\n\tskip_install_trust\n\tlocal_certs\n\tauto_https disable_redirects\n\tservers %s {", i.admin, loopback(i.port)),
		"10.0.0.2/32", "127.0.0.1/32",
		host+" {", fmt.Sprintf("https://%s:%d {\n\tbind 127.0.0.1", host, i.port), "127.0.0.1:8080", updates.address,
		"{env.TELEGRAM_BOT_TOKEN}", fmt.Sprintf("{env.TELEGRAM_BOT_TOKEN}\n\t\turl https://%s:%d/\n\t\tapi %s\n\t\tcertificate internal", host, front, i.apiURL))
	i.caddyfile = func() string { return text }
	i.start()
	startProcess(t, exec.Command("haproxy", "-db", "-f", config), func([]byte) {})
	eventually(t, "HAProxy listens", func() bool { return listens(loopback(front)) })
	url := fmt.Sprintf("https://%s:%d/", host, front)
	eventually(t, "Telegram has the webhook", func() bool { return i.api.Webhook(botToken).URL == url })

	i.text(1, saying)
	i.awaitDelivered()

	wrong := http.Header{"X-Telegram-Bot-Api-Secret-Token": {"wrong_0123456789-abcdefghijklmnopqrst"}}
	for n := range 20 {
		if status, err := i.post(forgerAddress, url, wrong); err != nil || status != http.StatusForbidden {
			t.Fatalf("forgery %d: got %d, %v", n+1, status, err)
		}
	}
	if !i.process.out.contain(`"client_ip":"` + forgerAddress + `"`) {
		t.Error("the audit log does not have the forger's address")
	}
	if status, err := i.post(forgerAddress, url, wrong); err == nil {
		t.Errorf("the forger is not barred: got %d", status)
	}
	if status, err := i.post(spooferAddress, url, wrong); err != nil || status != http.StatusForbidden {
		t.Errorf("another address is barred with the forger: got %d, %v", status, err)
	}
	i.text(2, saying)
	i.awaitDelivered()
	if n := updates.count.Load(); n != 2 {
		t.Errorf("the bot got %d updates, want the two genuine ones", n)
	}
	eventually(t, "the log names the barred address", func() bool { return i.process.out.contain("address barred for forging") })
}

// updates is a bot that counts what it gets.
type updates struct {
	address string
	count   atomic.Int64
}

// behindProxy is a Caddy that does not run yet, and a Telegram that reaches it by a
// proxy's port of loopback.
func behindProxy(t *testing.T, port int) (*installation, *updates) {
	t.Helper()
	i, u := newInstallation(t), new(updates)
	bot := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { u.count.Add(1) }))
	t.Cleanup(bot.Close)
	u.address = bot.Listener.Addr().String()
	i.api = newBotAPI(telegramtest.APIOptions{Local: true, Sender: telegramtest.Options{
		After: func(d time.Duration) <-chan time.Time { return time.After(d / hurry) },
		Dial: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return dialFrom(telegramAddress).DialContext(ctx, network, loopback(port))
		},
	}})
	var stop func()
	i.apiURL, stop = i.api.Start()
	t.Cleanup(stop)
	return i, u
}

func dialFrom(address string) *net.Dialer {
	return &net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(address)}}
}

// post posts an update from a loopback address, on a connection of its own.
func (i *installation) post(from, url string, header http.Header) (int, error) {
	i.t.Helper()
	r, err := http.NewRequestWithContext(i.t.Context(), http.MethodPost, url, strings.NewReader(`{"update_id":9}`))
	if err != nil {
		i.t.Fatal(err)
	}
	r.Header = header.Clone()
	r.Header.Set("Content-Type", "application/json")
	transport := &http.Transport{
		TLSClientConfig: &tls.Config{ServerName: host, RootCAs: i.roots}, DisableKeepAlives: true,
		DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
			_, port, _ := net.SplitHostPort(address)
			return dialFrom(from).DialContext(ctx, network, net.JoinHostPort("127.0.0.1", port))
		},
	}
	resp, err := transport.RoundTrip(r)
	if err != nil {
		return 0, err
	}
	resp.Body.Close()
	return resp.StatusCode, nil
}

// replaceAll replaces each text, which must be there once.
func replaceAll(t *testing.T, text string, replacements ...string) string {
	t.Helper()
	for n := 0; n < len(replacements); n += 2 {
		text = replaceOnce(t, text, replacements[n], replacements[n+1])
	}
	return text
}
