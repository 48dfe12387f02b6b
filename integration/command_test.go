package integration

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"strings"
	"testing"

	"github.com/caddy-telegram/telegramwebhook/integration/caddytest"
)

// gated starts a Caddy with a bot behind the gate at /telegram and returns the
// webhook's url.
func gated(t *testing.T, bot http.HandlerFunc) (c *caddytest.Process, url string) {
	t.Helper()
	address := fmt.Sprintf("localhost:%d", caddytest.FreePort(t))
	c = caddytest.Start(t, caddytest.Globals()+fmt.Sprintf(`
https://%s {
	handle /telegram {
		telegram_webhook {env.TELEGRAM_SECRET}
		reverse_proxy %s
	}
	handle {
		respond "A web page"
	}
}
`, address, caddytest.StartBot(t, bot)))
	return c, "https://" + address + "/telegram"
}

// all is what has been put into a channel so far.
func all(c chan string) (got []string) {
	for len(c) > 0 {
		got = append(got, <-c)
	}
	return got
}

func TestCommandSecret(t *testing.T) {
	t.Parallel()
	c := caddytest.New(t)
	first, errs, status := c.CLI("secret")
	second, _, _ := c.CLI("secret")
	if len(first) != 44 || first == second || errs != "" || status != 0 {
		t.Errorf("got %q and %q, status %d: %s", first, second, status, errs)
	}
}

func TestCommandSend(t *testing.T) {
	t.Parallel()
	updates := make(chan string, 10)
	c, url := gated(t, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		updates <- string(body)
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, `{"method":"sendMessage","chat_id":1,"text":"hi"}`)
	})
	for _, tc := range []struct {
		name   string
		args   []string
		status int
		shows  string
	}{
		{"delivered", []string{"send", "--ca", c.RootFile(), "--type", "poll", url}, 0, "delivered, and Telegram runs the sendMessage"},
		{"a wrong secret", []string{"send", "--ca", c.RootFile(), "--secret-file", secretOption(c, caddytest.StaleSecret), url}, 2, "403 Forbidden"},
		{"a certificate that is not trusted", []string{"send", url}, 1, "certificate"},
		{"wrong usage", []string{"send"}, 1, "give one url"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			out, errs, status := c.CLI(tc.args...)
			if status != tc.status || !strings.Contains(out+errs, tc.shows) || (status == 1) != (errs != "") {
				t.Errorf("status %d\n%s\n%s", status, out, errs)
			}
		})
	}
	if got := all(updates); len(got) != 1 || !strings.Contains(got[0], "\n\"poll\":{") {
		t.Errorf("the bot got %q", got)
	}
}

// The audit finds nothing about the gate but what a test's site cannot have: a
// port and an address that Telegram takes, and a secret without words. The page on the other paths of the
// site is not taken for the bot.
func TestCommandAudit(t *testing.T) {
	t.Parallel()
	updates := make(chan string, 10)
	c, url := gated(t, func(_ http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		updates <- string(body)
	})
	out, errs, status := c.CLI("audit", "--json", url)
	var findings []struct{ Check, Result, Seen string }
	if err := json.Unmarshal([]byte(out), &findings); err != nil {
		t.Fatalf("%v\n%s\n%s", err, out, errs)
	}
	want := map[string]string{"url": "fail", "address": "warn", "strength": "warn"}
	for _, f := range findings {
		if f.Result != cmp.Or(want[f.Check], "pass") {
			t.Errorf("got %+v", f)
		}
	}
	if len(findings) != 14 || status != 3 || !regexp.MustCompile(`^No view from inside: the admin API at localhost:1 cannot be reached: .*\n$`).MatchString(errs) {
		t.Errorf("%d findings, status %d: %s", len(findings), status, errs)
	}
	if got := all(updates); len(got) != 1 || !regexp.MustCompile(`^{"update_id":[0-9]+}$`).MatchString(got[0]) {
		t.Errorf("the bot got %q", got)
	}
}

// A guarded path beside an unguarded way to the same bot is a hole.
func TestCommandAuditFindsTheHole(t *testing.T) {
	t.Parallel()
	address := fmt.Sprintf("localhost:%d", caddytest.FreePort(t))
	c := caddytest.Start(t, caddytest.Globals()+fmt.Sprintf(`
https://%s {
	telegram_webhook /telegram {env.TELEGRAM_SECRET}
	reverse_proxy %s
}
`, address, caddytest.StartBot(t, func(http.ResponseWriter, *http.Request) {})))
	out, _, status := c.CLI("audit", "https://"+address+"/telegram")
	if !regexp.MustCompile(`(?m)^fail  paths +answered without the secret: .*/telegram/ \(200\)`).MatchString(out) || status != 3 {
		t.Errorf("status %d\n%s", status, out)
	}
}

// An audit may get its own address barred. It says so, now and the next time.
func TestCommandAuditBarred(t *testing.T) {
	t.Parallel()
	port, admin := caddytest.FreePort(t), caddytest.FreePort(t)
	c := caddytest.Start(t, fmt.Sprintf(`{
	admin localhost:%[1]d
	skip_install_trust
	auto_https disable_redirects
	servers :%[2]d {
		protocols h1 h2
		listener_wrappers {
			telegram_webhook {
				penalty 8
			}
			tls
		}
	}
}
https://localhost:%[2]d {
	telegram_webhook another_{env.TELEGRAM_SECRET}
	reverse_proxy %[3]s
}
`, admin, port, caddytest.StartBot(t, func(http.ResponseWriter, *http.Request) {})))
	for i, want := range []string{
		`(?m)^warn  paths +[0-9]+ of [0-9]+ other paths were not answered, .* -> wait until it is over, by default 10 minutes, .*: perhaps .penalty. or a firewall bars this address$`,
		`(?m)^fail  (address +127.0.0.1 does not answer|certificate +no TLS: ).* -> wait until it is over, by default 10 minutes, .*: .penalty. bars addresses now \(1\), and perhaps this one; `,
	} {
		out, errs, status := c.CLI("audit", "--address", fmt.Sprintf("localhost:%d", admin), fmt.Sprintf("https://localhost:%d/", port))
		if !regexp.MustCompile(want).MatchString(out) || status != 3 || errs != "" {
			t.Errorf("audit %d: status %d\n%s%s", i+1, status, out, errs)
		}
		if !regexp.MustCompile(fmt.Sprintf(`(?m)^pass  listener +dropped .*; barred now: %d$`, i)).MatchString(out) {
			t.Errorf("audit %d: nothing of the listener wrapper\n%s", i+1, out)
		}
	}
}

func secretOption(c *caddytest.Process, value string) string {
	c.T.Helper()
	if err := caddytest.WriteFile(c.File("secret"), value+"\n"); err != nil {
		c.T.Fatal(err)
	}
	return c.File("secret")
}
