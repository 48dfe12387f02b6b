package telegramwebhook

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os/exec"
	"regexp"
	"strings"
	"testing"
)

// cli runs `caddy telegram-webhook` with the right secret in its environment, and
// returns what it wrote and its exit status.
func (c *caddyProcess) cli(args ...string) (stdout, stderr string, status int) {
	c.t.Helper()
	cmd := c.command(append([]string{"telegram-webhook"}, args...)...)
	// Nobody is at the default address of the admin API.
	cmd.Env = append(cmd.Env, "TELEGRAM_WEBHOOK_SECRET="+rightSecret, "CADDY_ADMIN=localhost:1")
	if args[0] == "audit" || args[0] == "send" {
		cmd.Env = append(cmd.Env, "SSL_CERT_FILE="+c.rootFile()) // as if the CA were public
	}
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	err := cmd.Run()
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		err, status = nil, exit.ExitCode()
	}
	if err != nil {
		c.t.Fatal(err)
	}
	if all := out.String() + errs.String(); strings.Contains(all, rightSecret) {
		c.t.Errorf("%q writes the secret:\n%s", args, all)
	}
	return out.String(), errs.String(), status
}

// gated starts a Caddy with a bot behind the gate at /telegram and returns the
// webhook's url.
func gated(t *testing.T, bot http.HandlerFunc) (c *caddyProcess, url string) {
	t.Helper()
	address := fmt.Sprintf("localhost:%d", freePort(t))
	c = startCaddy(t, globals()+fmt.Sprintf(`
https://%s {
	handle /telegram {
		telegram_webhook {env.TELEGRAM_SECRET}
		reverse_proxy %s
	}
	handle {
		respond "A web page"
	}
}
`, address, startBot(t, bot)))
	return c, "https://" + address + "/telegram"
}

func (c *caddyProcess) rootFile() string { return c.file("data/caddy/pki/authorities/local/root.crt") }

// all is what has been put into a channel so far.
func all(c chan string) (got []string) {
	for len(c) > 0 {
		got = append(got, <-c)
	}
	return got
}

func TestCommandSecret(t *testing.T) {
	t.Parallel()
	c := &caddyProcess{t: t, dir: t.TempDir()}
	first, errs, status := c.cli("secret")
	second, _, _ := c.cli("secret")
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
		{"delivered", []string{"send", url}, 0, "delivered, and Telegram runs the sendMessage"},
		{"a wrong secret", []string{"send", "--secret-file", c.secretFile(staleSecret), url}, 2, "403 Forbidden"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			out, errs, status := c.cli(tc.args...)
			if status != tc.status || !strings.Contains(out+errs, tc.shows) || (status == 1) != (errs != "") {
				t.Errorf("status %d\n%s\n%s", status, out, errs)
			}
		})
	}
	if got := all(updates); len(got) != 1 || !strings.Contains(got[0], "\n\"message\":{") {
		t.Errorf("the bot got %q", got)
	}
}

// The audit finds nothing about the gate but what a test's site cannot have: a
// public address. The page on the other paths of the site is not taken for the bot.
func TestCommandAudit(t *testing.T) {
	t.Parallel()
	updates := make(chan string, 10)
	c, url := gated(t, func(_ http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		updates <- string(body)
	})
	out, errs, status := c.cli("audit", "--json", url)
	var findings []struct{ Check, Result, Seen string }
	if err := json.Unmarshal([]byte(out), &findings); err != nil {
		t.Fatalf("%v\n%s\n%s", err, out, errs)
	}
	want := map[string]string{"address": "warn"}
	for _, f := range findings {
		if f.Result != cmp.Or(want[f.Check], "pass") {
			t.Errorf("got %+v", f)
		}
	}
	if len(findings) != 8 || status != 2 || !regexp.MustCompile(`^No checks from inside: the admin API at localhost:1 cannot be reached .*\n$`).MatchString(errs) {
		t.Errorf("%d findings, status %d: %s", len(findings), status, errs)
	}
	if got := all(updates); len(got) != 1 || !regexp.MustCompile(`^{"update_id":[0-9]+}$`).MatchString(got[0]) {
		t.Errorf("the bot got %q", got)
	}
}

// A guarded path beside an unguarded way to the same bot is a hole.
func TestCommandAuditFindsTheHole(t *testing.T) {
	t.Parallel()
	address := fmt.Sprintf("localhost:%d", freePort(t))
	c := startCaddy(t, globals()+fmt.Sprintf(`
https://%s {
	telegram_webhook /telegram {env.TELEGRAM_SECRET}
	reverse_proxy %s
}
`, address, startBot(t, func(http.ResponseWriter, *http.Request) {})))
	out, _, status := c.cli("audit", "https://"+address+"/telegram")
	if !regexp.MustCompile(`(?m)^fail  paths +answered without the secret: .*/telegram/ \(200\)`).MatchString(out) || status != 3 {
		t.Errorf("status %d\n%s", status, out)
	}
}

// An audit may get its own address barred. The next one says what to do.
func TestCommandAuditBarred(t *testing.T) {
	t.Parallel()
	port, admin := freePort(t), freePort(t)
	c := startCaddy(t, fmt.Sprintf(`{
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
`, admin, port, startBot(t, func(http.ResponseWriter, *http.Request) {})))
	audit := []string{"audit", "--address", fmt.Sprintf("localhost:%d", admin), fmt.Sprintf("https://localhost:%d/", port)}
	c.cli(audit...)
	out, errs, status := c.cli(audit...)
	dropped := regexp.MustCompile(`(?m)^fail  (address +127.0.0.1 does not answer|certificate +no TLS at 127.0.0.1: ).*; if .penalty. or a firewall drops this address, wait 10 minutes, or audit from elsewhere$`)
	if !dropped.MatchString(out) || status != 3 || errs != "" {
		t.Errorf("status %d\n%s%s", status, out, errs)
	}
}

func (c *caddyProcess) secretFile(value string) string {
	c.t.Helper()
	if err := writeFile(c.file("secret"), value+"\n"); err != nil {
		c.t.Fatal(err)
	}
	return c.file("secret")
}
