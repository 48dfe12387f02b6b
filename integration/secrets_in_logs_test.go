package integration

import (
	"bufio"
	"bytes"
	"crypto/tls"
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

	"github.com/caddy-telegram/telegramwebhook/integration/caddytest"
)

// planted is every value that must be found nowhere.
var planted = []string{caddytest.RightSecret, caddytest.StaleSecret, caddytest.ForgedSecret, caddytest.BotToken, caddytest.OtherToken}

// TestNoSecretInAnyLog sends right, stale and forged secrets by every way
// through a server that logs all that it can, and searches all that it wrote.
func TestNoSecretInAnyLog(t *testing.T) {
	t.Parallel()
	t.Run("by default", func(t *testing.T) { t.Parallel(); searchLogs(t, "", "") })
	t.Run("debug", func(t *testing.T) { t.Parallel(); searchLogs(t, "debug", "") })
	// Caddy puts its redirects into a site that is there on the port for HTTP.
	t.Run("a site on the port of the redirects", func(t *testing.T) {
		t.Parallel()
		searchLogs(t, "debug", "log {\n\t\toutput file plain.log\n\t}\n\trespond /plain plain")
	})
}

func searchLogs(t testing.TB, debug, plainSite string) {
	bot := caddytest.StartBot(t, func(_ http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/hangup" {
			panic(http.ErrAbortHandler)
		}
	})
	telegram, api := caddytest.StartTelegram(t)
	stale := filepath.Join(t.TempDir(), "stale_secret")
	if err := os.WriteFile(stale, []byte(caddytest.StaleSecret+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	admin, port, plainPort, otherPort := caddytest.FreePort(t), caddytest.FreePort(t), caddytest.FreePort(t), caddytest.FreePort(t)
	guarded := "telegram_webhook {env.TELEGRAM_SECRET} {file." + stale + "}"
	dead := fmt.Sprintf("reverse_proxy 127.0.0.1:%d", caddytest.FreePort(t))
	config := fmt.Sprintf(`{
	%s
	admin localhost:%d
	skip_install_trust
	metrics
	http_port %d
	servers {
		trace
	}
}
`, debug, admin, plainPort) + fmt.Sprintf(`https://localhost:%d {
	log mine {
		output file access.log
	}
	log_append update {header.X-Update}
`, port) +
		handle("/ok", guarded+" {", "bot_token {env.TELEGRAM_TOKEN}", "certificate internal", "api "+api, "}", "reverse_proxy "+bot) +
		handle("/kept", "telegram_webhook {", "bot_token {env.TELEGRAM_OTHER_TOKEN}", "certificate internal", "api "+api, "rotate 5s", "}", "reverse_proxy "+bot) +
		handle("/hangup", guarded, "reverse_proxy "+bot) +
		handle("/dead", guarded, dead) +
		handle("/panic", guarded, "test_panic") +
		handle("/error", guarded, "test_error") +
		handle("/unguarded_error", "test_error") +
		handle("/unguarded_dead", dead) +
		// A rewrite logs, at DEBUG, the request that it is given.
		handle("/rewritten", "rewrite * /to", guarded, "reverse_proxy "+bot) +
		"\thandle_path /stripped/* {\n\t\turi strip_suffix /end\n\t\t" + guarded + "\n\t\treverse_proxy " + bot + "\n\t}\n" +
		"\trewrite /before/* /ok\n" +
		"\thandle_errors 418 {\n\t\trewrite * /error_page\n\t\trespond \"error page\" 599\n\t}\n" +
		fmt.Sprintf(`}
http://localhost:%d {
	log {
		output file other.log
		format console
	}
	telegram_webhook {env.TELEGRAM_SECRET} {
		allow_http
	}
	reverse_proxy %s
}
`, otherPort, bot)
	if plainSite != "" {
		config += fmt.Sprintf("http://127.0.0.1:%d {\n\t%s\n}\n", plainPort, plainSite)
	}
	c := caddytest.Start(t, config)
	c.Out.Wait(t, "webhook registered")
	client := c.Client()
	send := func(url string, secrets ...string) {
		t.Helper()
		r := caddytest.Update(t, url, secrets...)
		r.Header.Set("X-Update", "appended-by-log_append")
		resp, err := client.Do(r)
		if err != nil {
			if strings.HasSuffix(url, "/panic") && errors.Is(err, io.EOF) {
				return
			}
			t.Fatal(err)
		}
		_, _ = io.Copy(io.Discard, resp.Body)
		resp.Body.Close()
	}
	site := fmt.Sprintf("https://localhost:%d", port)
	paths := []string{"/ok", "/hangup", "/dead", "/panic", "/error", "/unguarded_error", "/unguarded_dead", "/nowhere", "/rewritten", "/stripped/x/end", "/before/x"}
	for _, path := range paths {
		for _, s := range planted[:3] {
			send(site+path, s)
		}
		send(site+path, caddytest.RightSecret, caddytest.ForgedSecret)
		send(site+path, caddytest.RightSecret+","+caddytest.ForgedSecret)
		send(site + path)
	}
	for _, s := range planted[:3] {
		send(fmt.Sprintf("http://localhost:%d/", otherPort), s)
		send(fmt.Sprintf("http://localhost:%d/redirected", plainPort), s)
		rawRequest(t, client, port, strings.Repeat("X", 40)+" / HTTP/1.1\r\nHost: localhost\r\n", s)
	}
	// A kept secret is made by the gate: it can only be searched for afterwards.
	kept := func() string { return telegram.Webhook(caddytest.OtherToken).Secret }
	caddytest.WaitUntil(t, "a kept secret is registered", func() bool { return kept() != "" })
	first := kept()
	send(site+"/kept", first)
	send(site+"/dead", first)
	caddytest.WaitUntil(t, "it has been rotated", func() bool { return kept() != first })
	send(site+"/kept", kept())
	searched := append([]string{first, kept()}, planted...)
	for _, path := range []string{"/config/", "/metrics", "/debug/vars", "/reverse_proxy/upstreams"} {
		reportSecrets(t, "GET "+path, []byte(caddytest.Get(t, admin, path)), searched)
	}
	c.Stop()

	searched = append(searched, kept())
	reportSecrets(t, "the output", []byte(c.Out.String()), searched)
	records := 0
	err := filepath.WalkDir(c.Dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		content, err := os.ReadFile(path)
		if filepath.Base(path) == "secret.json" { // the only place
			records++
			return err
		}
		reportSecrets(t, path, content, searched)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if records != 1 {
		t.Errorf("%d records of kept secrets, want 1", records)
	}
	if _, err := os.Stat(c.File("config/caddy/autosave.json")); err != nil {
		t.Errorf("the test has not seen autosave.json: %v", err)
	}
	redirected := 3
	if plainSite != "" {
		redirected = 0 // they are in the log of that server
	}
	checkAccessLog(t, c.File("access.log"), redirected)
	checkPlainLog(t, c.File("other.log"))
	for _, want := range []string{"test panic", "secret header reached no telegram_webhook handler", `"reason":"failed"`, `"reason":"wrong_secret"`} {
		if !strings.Contains(c.Out.String(), want) {
			t.Errorf("no %s in the output: the test has not seen what it is about", want)
		}
	}
	if debug != "" && !strings.Contains(c.Out.String(), "upstream roundtrip") {
		t.Error("reverse_proxy wrote no debug entry")
	}
	if debug != "" && strings.Count(c.Out.String(), "rewrote request") < 10 {
		t.Error("rewrites wrote no debug entries")
	}
	if debug != "" && !strings.Contains(c.Out.String(), "telegram_webhook_registered") {
		t.Error("the event registered was not emitted")
	}
}

// checkAccessLog looks for the entries of a site's own log: those that passed
// are there, with the value replaced and what the site adds; refusals are not.
func checkAccessLog(t testing.TB, path string, redirected int) {
	t.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	entries := make(map[string]int)
	for line := range bytes.Lines(content) {
		var entry struct {
			Logger  string `json:"logger"`
			Update  string `json:"update"`
			Status  int    `json:"status"`
			Request struct {
				URI     string              `json:"uri"`
				Headers map[string][]string `json:"headers"`
			} `json:"request"`
		}
		if err := json.Unmarshal(line, &entry); err != nil {
			t.Fatal(err)
		}
		if entry.Request.URI == "/" { // refused by Caddy before any handler
			continue
		}
		entries[entry.Request.URI]++
		if entry.Logger != "http.log.access.mine" {
			t.Errorf("the logger's name is %q, not the user's", entry.Logger)
		}
		if v := entry.Request.Headers[caddytest.SecretHeader]; len(v) > 0 && v[0] != "REDACTED" {
			t.Errorf("the header is logged as %q", v)
		}
		if entry.Request.URI == "/ok" && (entry.Update != "appended-by-log_append" || entry.Status != 200) {
			t.Errorf("the entry lacks what the site logs: %s", line)
		}
	}
	for _, path := range []string{"/ok", "/hangup", "/dead", "/panic", "/error", "/rewritten", "/stripped/x/end", "/before/x"} {
		if entries[path] != 2 {
			t.Errorf("%s: %d entries in the access log, want 2: the right secret and the stale one passed", path, entries[path])
		}
	}
	// What the gate does not guard is logged as ever, but for the value.
	if entries["/nowhere"] != 6 || redirected != entries["/redirected"] {
		t.Errorf("unguarded requests: got %v in the access log, want 6 to nowhere and %d redirected", entries, redirected)
	}
}

func checkPlainLog(t testing.TB, path string) {
	t.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(string(content), "handled request"); n != 1 {
		t.Errorf("%d entries in the log of the plain site, want 1:\n%s", n, content)
	}
}

// rawRequest sends a request that no client would make, which Caddy refuses
// before any handler sees it.
func rawRequest(t testing.TB, client *http.Client, port int, head, secretValue string) {
	t.Helper()
	config := client.Transport.(*http.Transport).TLSClientConfig.Clone()
	config.ServerName = "localhost"
	conn, err := tls.Dial("tcp", net.JoinHostPort("127.0.0.1", fmt.Sprint(port)), config)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := fmt.Fprintf(conn, "%s%s: %s\r\nContent-Length: 0\r\n\r\n", head, caddytest.SecretHeader, secretValue); err != nil {
		t.Fatal(err)
	}
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode < 400 {
		t.Errorf("%.20q: got %d, want a refusal", head, resp.StatusCode)
	}
}

// TestTokenInPathOfSecretAlone has a bot's token in the path, as some set-ups do for want of a
// secret. Nothing but Caddy's own access log has it.
func TestTokenInPathOfSecretAlone(t *testing.T) {
	t.Parallel()
	const path = "/bot" + caddytest.BotToken
	admin, port := caddytest.FreePort(t), caddytest.FreePort(t)
	c := caddytest.Start(t, fmt.Sprintf(`{
	admin localhost:%d
	metrics
	skip_install_trust
	auto_https disable_redirects
}
https://localhost:%d {
	handle %s {
		telegram_webhook {env.TELEGRAM_SECRET}
		respond ok
	}
	handle {
		respond other
	}
}
`, admin, port, path))
	client := c.Client()
	caddytest.Do(t, client, caddytest.Update(t, fmt.Sprintf("https://localhost:%d%s", port, path), caddytest.ForgedSecret))
	caddytest.Do(t, client, caddytest.Update(t, fmt.Sprintf("https://localhost:%d%s/other", port, path), caddytest.ForgedSecret))
	for _, path := range []string{"/metrics", "/telegram_webhook/"} {
		reportSecrets(t, path, []byte(caddytest.Get(t, admin, path)), []string{caddytest.BotToken, strings.ToLower(caddytest.BotToken)})
	}
	c.Stop()
	reportSecrets(t, "the output", []byte(c.Out.String()), []string{caddytest.BotToken, strings.ToLower(caddytest.BotToken)})
	if !strings.Contains(c.Out.String(), `"reason":"wrong_secret"`) || !strings.Contains(c.Out.String(), "reached no telegram_webhook") {
		t.Errorf("the test has not seen what it is about:\n%s", c.Out)
	}
}
