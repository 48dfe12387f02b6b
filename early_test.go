package telegramwebhook

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"fmt"
	"io"
	"net/http"
	"net/http/httputil"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/caddy-telegram/telegramwebhook/internal/secret"
)

// TestRefusedEarly has two sites, one of which is refused for before Caddy has
// done anything. Nobody can tell them apart from outside, or by what is recorded.
func TestRefusedEarly(t *testing.T) {
	t.Parallel()
	bot := startBot(t, func(http.ResponseWriter, *http.Request) {})
	admin, port := freePort(t), freePort(t)
	c := startCaddy(t, fmt.Sprintf(`{
	admin localhost:%[1]d
	metrics {
		per_host
	}
	skip_install_trust
	auto_https disable_redirects
}
early.localhost:%[2]d {
	tls internal
	telegram_webhook {env.TELEGRAM_SECRET} {
		name early
	}
	reverse_proxy %[3]s
}
late.localhost:%[2]d {
	tls internal
	vars something else
	telegram_webhook {env.TELEGRAM_SECRET} {
		name late
	}
	reverse_proxy %[3]s
}
`, admin, port, bot))

	dial := func(site string) (*tls.Conn, error) {
		return tls.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", port), &tls.Config{RootCAs: c.roots(), ServerName: site + ".localhost"})
	}
	for _, site := range []string{"early", "late"} {
		waitUntil(t, site+" has a certificate", func() bool {
			conn, err := dial(site)
			if err == nil {
				conn.Close()
			}
			return err == nil
		})
	}

	post := func(site, more, body string) string {
		t.Helper()
		conn, err := dial(site)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		_ = conn.SetDeadline(time.Now().Add(patience))
		request := fmt.Sprintf("POST /x HTTP/1.1\r\nHost: %s.localhost:%d\r\nContent-Type: application/json\r\n%s\r\n", site, port, more)
		for range 2 { // on a connection that is kept
			if _, err := io.WriteString(conn, request+body); err != nil {
				t.Fatal(err)
			}
		}
		var answers bytes.Buffer
		r := bufio.NewReader(conn)
		for range 2 {
			resp, err := http.ReadResponse(r, nil)
			if err != nil {
				fmt.Fprintln(&answers, err)
				break
			}
			answer, err := httputil.DumpResponse(resp, true)
			if err != nil {
				t.Fatal(err)
			}
			answers.Write(answer)
		}
		return regexp.MustCompile(`Date: [^\r]*`).ReplaceAllString(answers.String(), "Date: now")
	}

	body := `{"update_id":1}`
	length := fmt.Sprintf("Content-Length: %d\r\n", len(body))
	header := func(value string) string { return secret.Header + ": " + value + "\r\n" }
	for name, tc := range map[string]struct{ more, body string }{
		"no secret":    {length, body},
		"a wrong one":  {length + header("wrong"), body},
		"an empty one": {length + header(""), body},
		"two":          {length + header(rightSecret) + header(rightSecret), body},
		"no body":      {header("wrong"), ""},
		"chunks":       {"Transfer-Encoding: chunked\r\n" + header("wrong"), "2\r\n{}\r\n0\r\n\r\n"},
		"the last one": {"Connection: close\r\n" + length, body},
		"from a proxy": {"X-Forwarded-For: 149.154.160.1\r\nX-Forwarded-Proto: http\r\n" + length, body},
	} {
		early, late := post("early", tc.more, tc.body), post("late", tc.more, tc.body)
		if early != late || !strings.HasPrefix(early, "HTTP/1.1 403 Forbidden\r\n") {
			t.Errorf("%s: refused early:\n%s\nand late:\n%s", name, early, late)
		}
	}
	// A right secret goes the whole way, and says what is wrong besides.
	for more, want := range map[string]string{
		length + header(rightSecret):                                  "200 OK",
		"Content-Length: 2000000\r\n" + header(rightSecret):           "413 Request Entity Too Large",
		length + "Content-Type: text/plain\r\n" + header(rightSecret): "415 Unsupported Media Type",
	} {
		if answer := post("early", more, body); !strings.HasPrefix(answer, "HTTP/1.1 "+want) {
			t.Errorf("%q: got %q, want %s", more, answer, want)
		}
	}

	all := get(t, admin, "/metrics")
	for _, reason := range []string{"no_secret", "wrong_secret"} {
		count := func(name string) string {
			return regexp.MustCompile(`caddy_telegram_webhook_requests_total\{name="` + name + `",result="` + reason + `"\} (\d+)`).FindStringSubmatch(all)[1]
		}
		if early, late := count("early"), count("late"); early != late || early == "0" {
			t.Errorf("%s: %s were counted early and %s late", reason, early, late)
		}
	}
	// Caddy's own counts show who came to Caddy.
	came := func(site, code string) bool {
		return regexp.MustCompile(`caddy_http_request_duration_seconds_count\{code="` + code + `"[^}]*host="` + site).MatchString(all)
	}
	if came("early", "403") || !came("early", "200") || !came("late", "403") {
		t.Errorf("to Caddy came: 403 early: %v, 200 early: %v, 403 late: %v", came("early", "403"), came("early", "200"), came("late", "403"))
	}
	c.stop()
	entries := map[string]int{}
	for _, line := range strings.Split(c.out.String(), "\n") {
		if m := regexp.MustCompile(`"msg":"webhook request refused","name":"(early|late)","client_ip":"127.0.0.1","host":"(?:early|late).localhost:\d+","path":"/x","from_telegram":false,"reason":"(\w+)"`).FindStringSubmatch(line); m != nil {
			entries[m[1]+" "+m[2]]++
		}
	}
	for _, reason := range []string{"no_secret", "wrong_secret"} {
		if n := entries["early "+reason]; n == 0 || n != entries["late "+reason] {
			t.Errorf("%s: the log has %d entries of the early site and %d of the late one", reason, n, entries["late "+reason])
		}
	}
}
