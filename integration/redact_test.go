package integration

import (
	"bytes"
	"crypto/tls"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/quic-go/quic-go/http3"

	"github.com/caddy-telegram/telegramwebhook/integration/caddytest"
)

// TestRedactedInAnyOrder loads a configuration of several servers again and again.
// Caddy provisions servers in random order, and each order must protect every server.
func TestRedactedInAnyOrder(t *testing.T) {
	t.Parallel()
	bot := caddytest.StartBot(t, func(http.ResponseWriter, *http.Request) {})
	admin, plain, ports := caddytest.FreePort(t), caddytest.FreePort(t), [4]int{caddytest.FreePort(t), caddytest.FreePort(t), caddytest.FreePort(t), caddytest.FreePort(t)}
	config := func(n int) string {
		return fmt.Sprintf(`{
	debug
	admin localhost:%[1]d
	skip_install_trust
	http_port %[2]d
}
https://localhost:%[3]d {
	log
	telegram_webhook {env.TELEGRAM_SECRET}
	reverse_proxy %[4]s
}
https://*.wild.localhost:%[5]d {
	tls internal
	log
	telegram_webhook {env.TELEGRAM_SECRET} {
		name wild
	}
	reverse_proxy %[4]s
}
http://:%[6]d {
	log
	telegram_webhook {env.TELEGRAM_SECRET} {
		name plain
		allow_http
	}
	reverse_proxy %[4]s
}
https://other.localhost:%[7]d {
	tls internal
	log
	respond %[8]d
}
`, admin, plain, ports[0], bot, ports[1], ports[2], ports[3], 200+n%2)
	}
	c := caddytest.Start(t, config(0))
	client := onLoopback(c.Client())
	client.Transport.(*http.Transport).DisableKeepAlives = true // a reload closes idle connections
	urls := []string{
		fmt.Sprintf("https://localhost:%d/", ports[0]),
		fmt.Sprintf("https://bot.wild.localhost:%d/", ports[1]),
		fmt.Sprintf("http://whatever.localhost:%d/", ports[2]),
		fmt.Sprintf("http://localhost:%d/", plain),
		fmt.Sprintf("http://bot.wild.localhost:%d/", plain),
	}
	done, ended := make(chan struct{}), sync.WaitGroup{}
	for _, url := range urls {
		ended.Go(func() {
			for {
				for _, value := range []string{caddytest.RightSecret, caddytest.ForgedSecret} {
					if resp, err := client.Do(caddytest.Update(t, url, value)); err == nil { // a reload may cut it off
						_, _ = io.Copy(io.Discard, resp.Body)
						resp.Body.Close()
					}
				}
				select {
				case <-done:
					return
				default:
				}
			}
		})
	}
	loads := size(40, 5)
	for n := range loads {
		caddytest.Load(t, admin, config(n+1))
		for _, url := range urls {
			want := http.StatusOK
			if strings.Contains(url, fmt.Sprint(plain)) {
				want = http.StatusPermanentRedirect
			}
			if resp := caddytest.Do(t, client, caddytest.Update(t, url, caddytest.RightSecret)); resp.Status != want {
				t.Fatalf("load %d, %s: got %d, want %d", n, url, resp.Status, want)
			}
		}
	}
	close(done)
	ended.Wait()
	c.Stop()
	if n := strings.Count(c.Out.String(), `["REDACTED"]`); n < len(urls)*loads {
		t.Errorf("the access logs have %d requests with the header redacted", n)
	}
	searchAll(c, caddytest.RightSecret, caddytest.ForgedSecret)
}

// TestRedactedForOthers has every handler of Caddy that logs or sends the headers
// of a request stand before the gate, or beside it.
func TestRedactedForOthers(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	seen := make(map[string][]string) // the header's values, by path
	auth := caddytest.StartBot(t, func(_ http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		seen[r.URL.Path] = r.Header[caddytest.SecretHeader]
	})
	bot := caddytest.StartBot(t, func(http.ResponseWriter, *http.Request) {})
	pages := t.TempDir()
	if err := caddytest.WriteFile(filepath.Join(pages, "page.txt"), `{{httpInclude "/included"}} {{.Req.Header}}`); err != nil {
		t.Fatal(err)
	}
	port := caddytest.FreePort(t)
	gate := "\ttelegram_webhook {env.TELEGRAM_SECRET} {\n\t\t\tname %s\n\t\t}\n\t\treverse_proxy " + bot
	before := map[string]string{
		"method":     "method POST",
		"vars":       "vars x {header." + caddytest.SecretHeader + "}",
		"map":        "map {header." + caddytest.SecretHeader + "} {x} {\n\t\t\tdefault unknown\n\t\t}\n\t\tlog_append x {x}",
		"try_files":  "try_files {path} /none",
		"forward":    "forward_auth " + auth + " {\n\t\t\turi /forward\n\t\t}",
		"log_append": "log_append x {header." + caddytest.SecretHeader + "}",
		"header":     "request_header X-Copy {header." + caddytest.SecretHeader + "}\n\t\theader X-Copy {header." + caddytest.SecretHeader + "}",
	}
	var handlers strings.Builder
	for name, directive := range before {
		fmt.Fprintf(&handlers, "\troute /%s {\n\t\t%s\n\t%s\n\t}\n", name, directive, fmt.Sprintf(gate, name))
	}
	c := caddytest.Start(t, caddytest.Globals("debug")+fmt.Sprintf(`https://localhost:%d {
	log
	header X-Answer there
	uri /api/* strip_prefix /api
%s	handle /bot/* {
		%s
	}
	handle /unguarded {
		reverse_proxy %s
	}
	handle /included {
		respond "included {header.X-Telegram-Bot-Api-Secret-Token}"
	}
	handle /template {
		templates {
			mime text/plain
		}
		rewrite * /page.txt
		file_server {
			root %s
		}
	}
}
`, port, handlers.String(), fmt.Sprintf(gate, "bot"), auth, pages))
	client := c.Client()
	site := fmt.Sprintf("https://localhost:%d", port)
	for _, value := range []string{caddytest.RightSecret, caddytest.ForgedSecret} {
		want := map[bool]int{true: http.StatusOK, false: http.StatusForbidden}[value == caddytest.RightSecret]
		for name := range before {
			if resp := caddytest.Do(t, client, caddytest.Update(t, site+"/"+name, value)); resp.Status != want {
				t.Errorf("%s: got %d, want %d", name, resp.Status, want)
			}
		}
		if resp := caddytest.Do(t, client, caddytest.Update(t, site+"/api/bot/x", value)); resp.Status != want {
			t.Errorf("behind a stripped prefix: got %d, want %d", resp.Status, want)
		}
		caddytest.Do(t, client, caddytest.Update(t, site+"/unguarded", value))
		r := caddytest.Update(t, site+"/template", value)
		r.Method, r.Body, r.ContentLength = http.MethodGet, nil, 0
		if resp := caddytest.Do(t, client, r); !strings.Contains(resp.Body, "included REDACTED") || strings.Contains(resp.Body, value) {
			t.Errorf("a template sees %d %q", resp.Status, resp.Body)
		}
	}
	mu.Lock()
	for _, path := range []string{"/forward", "/unguarded"} {
		if got := seen[path]; len(got) != 1 || got[0] != "REDACTED" {
			t.Errorf("%s: another server saw %q", path, got)
		}
	}
	mu.Unlock()
	c.Out.Wait(t, "rewrote request")
	c.Out.Wait(t, "secret header reached no telegram_webhook handler")
	if n := strings.Count(c.Out.String(), "reached no telegram_webhook handler"); n != 1 {
		t.Errorf("told %d times that a secret reached no gate, want once", n)
	}
	searchAll(c, caddytest.RightSecret, caddytest.ForgedSecret)
}

// TestRedactedInEveryFormat has every format of an access log, and every version of
// HTTP but the third.
func TestRedactedInEveryFormat(t *testing.T) {
	t.Parallel()
	bot := caddytest.StartBot(t, func(http.ResponseWriter, *http.Request) {})
	port, clear := caddytest.FreePort(t), caddytest.FreePort(t)
	var sites strings.Builder
	formats := []string{"json", "console", "filter {\n\t\t\twrap json\n\t\t\trequest>uri replace /\n\t\t}", "append {\n\t\t\twrap json\n\t\t\tx y\n\t\t}"}
	for i, format := range formats {
		fmt.Fprintf(&sites, `https://f%d.localhost:%d {
	tls internal
	log {
		output file f%[1]d.log
		format %[3]s
	}
	telegram_webhook {env.TELEGRAM_SECRET}
	handle /dead {
		reverse_proxy 127.0.0.1:1
	}
	handle /panic {
		test_panic
	}
	reverse_proxy %[4]s
}
`, i, port, format, bot)
	}
	c := caddytest.Start(t, caddytest.Globals("debug", fmt.Sprintf("servers :%d {\n\t\tprotocols h1 h2c\n\t}", clear))+sites.String()+fmt.Sprintf(`http://clear.localhost:%d {
	log {
		output file clear.log
	}
	telegram_webhook {env.TELEGRAM_SECRET} {
		allow_http
	}
	reverse_proxy %s
}
`, clear, bot))
	h1, h2 := onLoopback(c.Client()), onLoopback(c.Client())
	h2.Transport.(*http.Transport).ForceAttemptHTTP2 = true
	h2c := onLoopback(c.Client())
	h2c.Transport.(*http.Transport).Protocols = new(http.Protocols)
	h2c.Transport.(*http.Transport).Protocols.SetUnencryptedHTTP2(true)
	send := func(client *http.Client, url, value string, proto int) {
		t.Helper()
		resp, err := client.Do(caddytest.Update(t, url, value))
		if err != nil {
			if !strings.HasSuffix(url, "/panic") {
				t.Error(err)
			}
			return
		}
		resp.Body.Close()
		if resp.ProtoMajor != proto {
			t.Errorf("%s: HTTP/%d, want HTTP/%d", url, resp.ProtoMajor, proto)
		}
	}
	for _, value := range []string{caddytest.RightSecret, caddytest.ForgedSecret} {
		for i := range formats {
			site := fmt.Sprintf("https://f%d.localhost:%d", i, port)
			caddytest.WaitUntil(t, "the certificate is served", func() bool { _, err := h1.Get(site); return err == nil })
			for _, path := range []string{"/", "/dead", "/panic"} {
				send(h1, site+path, value, 1)
				send(h2, site+path, value, 2)
			}
		}
		send(h2c, fmt.Sprintf("http://clear.localhost:%d/", clear), value, 2)
	}
	c.Stop()
	for i := range formats {
		if content, err := os.ReadFile(c.File(fmt.Sprintf("f%d.log", i))); err != nil || bytes.Count(content, []byte("REDACTED")) != 6 {
			t.Errorf("%s: the log has %d requests with the header redacted, want those that passed, 6 (%v)", formats[i], bytes.Count(content, []byte("REDACTED")), err)
		}
	}
	searchAll(c, caddytest.RightSecret, caddytest.ForgedSecret)
}

// TestOtherHostsUntouched has hosts without a gate on the server of a gate: what is
// behind them gets the header byte for byte.
func TestOtherHostsUntouched(t *testing.T) {
	t.Parallel()
	got := make(chan []string, 1)
	upstream := caddytest.StartBot(t, func(_ http.ResponseWriter, r *http.Request) { got <- r.Header[caddytest.SecretHeader] })
	bot := caddytest.StartBot(t, func(_ http.ResponseWriter, r *http.Request) { got <- r.Header[caddytest.SecretHeader] })
	port, front, back, plain := caddytest.FreePort(t), caddytest.FreePort(t), caddytest.FreePort(t), caddytest.FreePort(t)
	c := caddytest.Start(t, fmt.Sprintf(`{
	debug
	admin off
	skip_install_trust
	http_port %d
}
https://localhost:%d {
	telegram_webhook {env.TELEGRAM_SECRET}
	reverse_proxy %s
}
https://other.localhost:%[2]d {
	tls internal
	reverse_proxy %[4]s
}
https://*.localhost:%[2]d {
	tls internal
	reverse_proxy %[4]s
}
http://other.localhost {
	reverse_proxy %[4]s
}
http://localhost:%[5]d {
	reverse_proxy localhost:%[6]d
}
http://localhost:%[6]d {
	telegram_webhook {env.TELEGRAM_SECRET} {
		name second
		allow_http
	}
	reverse_proxy %[3]s
}
`, plain, port, bot, upstream, front, back))
	client := onLoopback(c.Client())
	for _, url := range []string{
		fmt.Sprintf("https://other.localhost:%d/", port),
		fmt.Sprintf("https://third.localhost:%d/", port),
		fmt.Sprintf("http://other.localhost:%d/", plain),
	} {
		for _, values := range [][]string{{"any value\xff"}, {"a", "b"}, {""}} {
			caddytest.WaitUntil(t, "the site answers", func() bool { _, err := client.Get(url); return err == nil })
			<-got
			if resp := caddytest.Do(t, client, caddytest.Update(t, url, values...)); resp.Status != http.StatusOK {
				t.Fatalf("%s: got %d", url, resp.Status)
			}
			if arrived := <-got; fmt.Sprintf("%q", arrived) != fmt.Sprintf("%q", values) {
				t.Errorf("%s: %q arrived, want %q", url, arrived, values)
			}
		}
	}
	// Two hops through one Caddy with the same Host: only the second takes the value.
	if resp := caddytest.Do(t, client, caddytest.Update(t, fmt.Sprintf("http://localhost:%d/", front), caddytest.RightSecret)); resp.Status != http.StatusOK || len(<-got) != 0 {
		t.Errorf("through two hops: got %d", resp.Status)
	}
}

// TestRedactedBesideAPath has another site take some paths of a host that a gate
// serves by a wildcard: the gate's requests are redacted all the same.
func TestRedactedBesideAPath(t *testing.T) {
	t.Parallel()
	bot := caddytest.StartBot(t, func(http.ResponseWriter, *http.Request) {})
	port := caddytest.FreePort(t)
	c := caddytest.Start(t, caddytest.Globals("debug")+fmt.Sprintf(`http://a.localhost:%[1]d/foo* {
	log
	respond static
}
http://*.localhost:%[1]d {
	log
	uri strip_prefix /x
	telegram_webhook /bot {env.TELEGRAM_SECRET} {
		allow_http
	}
	reverse_proxy %[2]s
}
`, port, bot))
	client := onLoopback(c.Client())
	for _, path := range []string{"/bot", "/x/bot", "/foo", "/elsewhere"} {
		for _, value := range []string{caddytest.RightSecret, caddytest.ForgedSecret} {
			caddytest.Do(t, client, caddytest.Update(t, fmt.Sprintf("http://a.localhost:%d%s", port, path), value))
		}
	}
	c.Out.Wait(t, "rewrote request")
	searchAll(c, caddytest.RightSecret, caddytest.ForgedSecret)
}

// TestRedactedTwice has a gate that gets what another Caddy's gate has left.
func TestRedactedTwice(t *testing.T) {
	t.Parallel()
	bot := caddytest.StartBot(t, func(http.ResponseWriter, *http.Request) {})
	port, second := caddytest.FreePort(t), caddytest.FreePort(t)
	c := caddytest.Start(t, caddytest.Globals()+fmt.Sprintf(`https://localhost:%d {
	handle /bot {
		telegram_webhook {env.TELEGRAM_SECRET}
		reverse_proxy %s
	}
	handle {
		reverse_proxy localhost:%d
	}
}
http://localhost:%[3]d {
	telegram_webhook {env.TELEGRAM_SECRET} {
		name second
		allow_http
	}
	reverse_proxy %[2]s
}
`, port, bot, second))
	if resp := caddytest.Do(t, c.Client(), caddytest.Update(t, fmt.Sprintf("https://localhost:%d/", port), caddytest.RightSecret)); resp.Status != http.StatusForbidden || resp.Body != "" {
		t.Errorf("got %d %q, want a bare 403", resp.Status, resp.Body)
	}
	c.Out.Wait(t, `"reason":"redacted"`)
	c.Out.Wait(t, "only one of the two")
}

// TestHTTP3 has a genuine update come over HTTP/3, which does not pass the place
// where the header is redacted.
func TestHTTP3(t *testing.T) {
	t.Parallel()
	bot := caddytest.StartBot(t, func(http.ResponseWriter, *http.Request) {})
	port := caddytest.FreePort(t)
	c := caddytest.Start(t, caddytest.Globals("debug")+fmt.Sprintf(`https://localhost:%d {
	log {
		output file access.log
	}
	telegram_webhook {env.TELEGRAM_SECRET}
	reverse_proxy %s
}
`, port, bot))
	transport := &http3.Transport{TLSClientConfig: &tls.Config{RootCAs: c.Roots()}}
	t.Cleanup(func() { _ = transport.Close() })
	client := &http.Client{Transport: transport, Timeout: caddytest.Patience}
	address := (&url.URL{Scheme: "https", Host: fmt.Sprintf("localhost:%d", port), Path: "/"}).String()
	for value, want := range map[string]int{caddytest.RightSecret: http.StatusOK, caddytest.ForgedSecret: http.StatusForbidden} {
		for range 2 {
			if resp := caddytest.Do(t, client, caddytest.Update(t, address, value)); resp.Status != want {
				t.Errorf("got %d, want %d", resp.Status, want)
			}
		}
	}
	caddytest.Do(t, c.Client(), caddytest.Update(t, address, caddytest.RightSecret))
	c.Out.Wait(t, "protocols h1 h2")
	if n := strings.Count(c.Out.String(), "secret header not redacted"); n != 1 {
		t.Errorf("told %d times, want once", n)
	}
	c.Stop()
	content, err := os.ReadFile(c.File("access.log"))
	if err != nil || bytes.Count(content, []byte("handled request")) != 1 {
		t.Errorf("the access log, which must have the request over HTTP/2 alone (%v):\n%s", err, content)
	}
	searchAll(c, caddytest.RightSecret, caddytest.ForgedSecret)
}
