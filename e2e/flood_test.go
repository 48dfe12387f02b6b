package e2e

import (
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// flood is where the examples against floods are.
var flood = filepath.Join("..", "examples", "flood")

// fail2ban finds forgeries in the audit log that Caddy writes with the example's
// Caddyfile: requests with a wrong secret, and neither those that a web page can make
// its visitors send, nor what a forger writes into a path.
func TestFail2ban(t *testing.T) {
	c := newCaddy(t)
	example, err := os.ReadFile(filepath.Join(flood, "Caddyfile"))
	if err != nil {
		t.Fatal(err)
	}
	log := c.file("telegram_webhook.log")
	c.caddyfile = func() string {
		return strings.NewReplacer(
			"servers :443", fmt.Sprintf("admin off\n\tskip_install_trust\n\tlocal_certs\n\tauto_https disable_redirects\n\tservers :%d", c.port),
			"bot.example.com {", fmt.Sprintf("https://%s:%d {\n\tbind 127.0.0.1", host, c.port),
			"/var/log/caddy/telegram_webhook.log", log,
			"bot_token {env.TELEGRAM_BOT_TOKEN}", "secret {env.TELEGRAM_WEBHOOK_SECRET}",
		).Replace(string(example))
	}
	c.start()
	request := func(from, method, path, secretHeader string) {
		t.Helper()
		dialer := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}}
		transport := &http.Transport{TLSClientConfig: c.tls(), DisableKeepAlives: true, DialContext: dialer.DialContext}
		r, err := http.NewRequestWithContext(t.Context(), method, fmt.Sprintf("https://127.0.0.1:%d%s", c.port, path), nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Host = host
		if secretHeader != "" {
			r.Header.Set("X-Telegram-Bot-Api-Secret-Token", secretHeader)
		}
		resp, err := transport.RoundTrip(r)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != http.StatusForbidden {
			t.Fatalf("%s %s: got %s", method, path, resp.Status)
		}
	}
	for range 3 {
		request("127.0.0.5", http.MethodPost, "/", "forged")
		request("127.0.0.6", http.MethodGet, "/x.png", "")
	}
	request("127.0.0.7", http.MethodGet, "/%22,%22client_ip%22:%22203.0.113.9%22,%22from_telegram%22:false,%22reason%22:%22wrong_secret%22%7D", "")
	c.terminate()

	filter := filepath.Join(flood, "telegram-webhook.conf")
	out := outputOf(t, "fail2ban-regex", "--verbose", log, filter)
	if !strings.Contains(out, "Lines: 7 lines, 0 ignored, 3 matched, 4 missed") || strings.Count(out, "      127.0.0.5 ") != 3 {
		written, _ := os.ReadFile(log)
		t.Errorf("fail2ban does not see three forgeries from 127.0.0.5:\n%s\n%s", out, written)
	}

	// The configuration that Debian ships takes the filter and the jail.
	config := c.file("fail2ban")
	if err := os.CopyFS(config, os.DirFS("/etc/fail2ban")); err != nil {
		t.Fatal(err)
	}
	for from, to := range map[string]string{filter: "filter.d/telegram-webhook.conf", filepath.Join(flood, "jail.conf"): "jail.d/telegram-webhook.conf"} {
		text, err := os.ReadFile(from)
		if err == nil {
			err = os.WriteFile(filepath.Join(config, to), []byte(strings.ReplaceAll(string(text), "/var/log/caddy/telegram_webhook.log", log)), 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	// The jail for sshd, which Debian enables, reads a log that is not on every machine.
	if err := os.WriteFile(filepath.Join(config, "jail.local"), []byte("[sshd]\nenabled = false\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	out = outputOf(t, "fail2ban-client", "-c", config, "--dp")
	for _, want := range []string{"'telegram-webhook', 'addfailregex'", "'telegram-webhook', 'addlogpath', '" + log, "'telegram-webhook', 'maxretry', 3", "nftables"} {
		if !strings.Contains(out, want) {
			t.Errorf("fail2ban does not take the jail: no %s in\n%s", want, out)
		}
	}
}

func outputOf(t *testing.T, name string, args ...string) string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), name, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v\n%s", name, err, out)
	}
	return string(out)
}
