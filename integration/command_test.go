package integration

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/caddy-telegram/telegramwebhook/integration/caddytest"
	"github.com/caddy-telegram/telegramwebhook/internal/telegramtest"
)

// gated starts a Caddy with a bot behind the gate at /telegram and returns the
// webhook's url.
func gated(t testing.TB, bot http.HandlerFunc) (c *caddytest.Process, url string) {
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
		{"delivered", []string{"send", url}, 0, "delivered, and Telegram runs the sendMessage"},
		{"a wrong secret", []string{"send", "--secret-file", secretOption(c, caddytest.StaleSecret), url}, 2, "403 Forbidden"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			out, errs, status := c.CLI(tc.args...)
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
	out, errs, status := c.CLI("audit", "--json", url)
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
	if len(findings) != 7 || status != 2 || !regexp.MustCompile(`^No checks from inside: the admin API at localhost:1 cannot be reached .*\n$`).MatchString(errs) {
		t.Errorf("%d findings, status %d: %s", len(findings), status, errs)
	}
	if got := all(updates); len(got) != 1 || !regexp.MustCompile(`^{"update_id":[0-9]+}$`).MatchString(got[0]) {
		t.Errorf("the bot got %q", got)
	}
}

// Telegram erases the webhook before it refuses another one: status, its JSON and the
// audit say so, although Telegram was asked before.
func TestCommandAfterRefusal(t *testing.T) {
	t.Parallel()
	api := telegramtest.NewAPI(telegramtest.APIOptions{Tokens: []string{caddytest.BotToken}, AllowPort: true})
	address, stop := api.Start()
	t.Cleanup(stop)
	port, admin := caddytest.FreePort(t), caddytest.FreePort(t)
	url := fmt.Sprintf("https://localhost:%d/", port)
	if !api.TakeOver(caddytest.BotToken, map[string]string{"url": url, "ip_address": "93.184.215.14"}, nil) {
		t.Fatal("no webhook to be erased")
	}
	bot := caddytest.StartBot(t, func(http.ResponseWriter, *http.Request) {})
	c := caddytest.Start(t, registeringSite(port, address, bot, fmt.Sprintf("admin localhost:%d", admin), "ip_address 127.0.0.1"))
	c.Out.Wait(t, "IP address 127.0.0.1 is reserved")
	flag := fmt.Sprintf("--address=localhost:%d", admin)
	for _, tc := range []struct {
		args  []string
		shows string
	}{
		{[]string{"status", flag}, `(?m)^telegram +has no webhook, asked`},
		{[]string{"status", "--json", flag}, `(?s)"ip_address": "127.0.0.1",.*"telegram": {[^}]*"url": ""`},
		{[]string{"audit", flag}, `(?m)^fail  registration +failing: .* is reserved; Telegram has no webhook -> `},
	} {
		if out, errs, _ := c.CLI(tc.args...); !regexp.MustCompile(tc.shows).MatchString(out) || strings.Contains(out, "93.184.215.14") {
			t.Errorf("%q: got\n%s\n%s", tc.args, out, errs)
		}
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

// An audit of another Caddy's webhook may get its own address barred. The next one says what
// to do.
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
	telegram_webhook another_{env.TELEGRAM_SECRET} {
		name bot
	}
	reverse_proxy %[3]s
}
`, admin, port, caddytest.StartBot(t, func(http.ResponseWriter, *http.Request) {})))
	url := fmt.Sprintf("https://localhost:%d/", port)

	// Its own Caddy knows that it is an audit.
	own := func(args ...string) (out, errs string, status int) {
		return c.CLI(append(args, "--address", fmt.Sprintf("localhost:%d", admin))...)
	}
	for range 2 {
		if out, errs, _ := own("audit", url); !strings.Contains(out, "pass  no secret     refused with 403\npass  wrong secret  refused with 403\n") || errs != "" {
			t.Errorf("got\n%s%s", out, errs)
		}
	}
	if out, _, _ := own("status"); !strings.Contains(out, "\nrefused  none\ndropped  none; barred now: 0\n") || strings.Contains(c.Out.String(), "webhook request refused") {
		t.Errorf("after two audits:\n%s", out)
	}
	if counts := state(t, admin, "bot").Requests; counts["audit"] < 20 || counts["no_secret"]+counts["wrong_secret"] > 0 {
		t.Errorf("after two audits: %v", counts)
	}
	forged := caddytest.Update(t, url)
	forged.Header.Set("X-Telegram-Webhook-Audit", "forged")
	caddytest.Do(t, c.Client(), forged)
	if counts := state(t, admin, "bot").Requests; counts["no_secret"] != 1 {
		t.Errorf("after a request with another mark: %v", counts)
	}

	c.CLI("audit", url)
	out, errs, status := c.CLI("audit", url)
	dropped := regexp.MustCompile(`(?m)^fail  (address +127.0.0.1 does not answer|certificate +no TLS at 127.0.0.1: ).*; if .penalty. or a firewall drops this address, wait 10 minutes, or audit from elsewhere$`)
	if !dropped.MatchString(out) || status != 3 || !strings.HasPrefix(errs, "No checks from inside: ") {
		t.Errorf("status %d\n%s%s", status, out, errs)
	}
}

func secretOption(c *caddytest.Process, value string) string {
	c.T.Helper()
	if err := caddytest.WriteFile(c.File("secret"), value+"\n"); err != nil {
		c.T.Fatal(err)
	}
	return c.File("secret")
}

// operated is a Caddy with two webhooks: kept, which it registers, and one at
// /explicit that something else does.
type operated struct {
	*caddytest.Process
	api         *telegramtest.API
	admin, port int
}

func startOperated(t testing.TB) *operated {
	t.Helper()
	api, address := caddytest.StartTelegram(t)
	bot := caddytest.StartBot(t, func(http.ResponseWriter, *http.Request) {})
	o := &operated{api: api, admin: caddytest.FreePort(t), port: caddytest.FreePort(t)}
	o.Process = caddytest.Start(t, fmt.Sprintf(`{
	admin localhost:%d
	skip_install_trust
	auto_https disable_redirects
}
https://localhost:%d {
	handle / {
		telegram_webhook {
			bot_token {env.TELEGRAM_TOKEN}
			api %s
			certificate internal
			name kept
		}
		reverse_proxy %s
	}
	handle /explicit {
		telegram_webhook {env.TELEGRAM_SECRET}
		reverse_proxy %s
	}
}
`, o.admin, o.port, address, bot, bot))
	o.Out.Wait(t, "webhook registered")
	caddytest.WaitUntil(t, "it is known", func() bool { return state(t, o.admin, "kept").State == "registered" })
	return o
}

// run runs a command on the webhooks.
func (o *operated) run(args ...string) (stdout, stderr string, status int) {
	o.T.Helper()
	return o.CLI(append(args, "--address", fmt.Sprintf("localhost:%d", o.admin))...)
}

// want runs a command, and compares its exit status and what it writes first: to
// its output, or as an error.
func (o *operated) want(args string, status int, start string) {
	o.T.Helper()
	out, errs, got := o.run(strings.Fields(args)...)
	if said := strings.ReplaceAll(out+errs, fmt.Sprint(o.port), "PORT"); got != status || !strings.HasPrefix(said, start) || (status == 1) != (errs != "") {
		o.T.Errorf("%s: status %d, %s%s", args, got, out, errs)
	}
}

// TestCommandOperates does with the commands all that the admin API can do.
func TestCommandOperates(t *testing.T) {
	t.Parallel()
	o := startOperated(t)
	out, errs, status := o.run("status")
	if !regexp.MustCompile(`^NAME +STATE +URL +PENDING +LAST ERROR +SECRET
kept +registered +https://localhost:\d+/ +0 +(?:none|SSL error .*, \d+ seconds? ago) +kept, \d+ seconds? old, next in 30 days
localhost/explicit +unmanaged +https://localhost:\d+/explicit +- +- +configured
$`).MatchString(out) || errs != "" || status != 0 {
		t.Errorf("status: %d\n%s%s", status, out, errs)
	}
	o.want("status kept", 0, "name        kept\nstate       registered for ")
	o.want("status localhost/explicit", 0, "name     localhost/explicit\nstate    unmanaged\nurl      https://localhost:PORT/explicit\nsecret   configured\npassed   0\nrefused  none\nadvice   Register ")
	o.want("status --json localhost/explicit", 0, "{\n  \"name\": \"localhost/explicit\",\n  \"state\": \"unmanaged\",\n")
	o.want("status nobody", 1, "Error: no webhook has this name or url; there is kept, localhost/explicit\n")
	if out, _, status := o.CLI("status", "--config", o.File("Caddyfile"), "kept"); status != 0 || !strings.HasPrefix(out, "name        kept\n") {
		t.Errorf("by the configuration: %d, %s", status, out)
	}

	secret := o.api.Webhook(caddytest.BotToken).Secret
	o.want("rotate", 1, "Error: there are 2 webhooks, so name one: kept, localhost/explicit\n")
	o.want("rotate kept", 0, "kept: Telegram has a new secret; the next rotation is in 30 days\n")
	if o.api.Webhook(caddytest.BotToken).Secret == secret {
		t.Error("rotate: the same secret")
	}
	o.want("rotate localhost/explicit", 1, "Error: localhost/explicit: the secret is in the configuration: ")
	o.want("register localhost/explicit", 1, "Error: localhost/explicit: nothing registers or deletes this webhook here, since it has no bot_token; ")

	o.want("delete kept", 1, "Delete the webhook of kept? [y/N] Error: kept: nothing was deleted; ")
	o.want("delete localhost/explicit", 1, "Error: localhost/explicit: nothing here can delete this webhook, since it has no bot_token; ")
	if o.api.Webhook(caddytest.BotToken).URL == "" {
		t.Error("deleted without a yes")
	}
	o.want("delete --yes kept", 0, "kept: deleted; `register` restores it\n")
	if o.api.Webhook(caddytest.BotToken).URL != "" {
		t.Error("not deleted")
	}
	o.want("status kept", 2, "name     kept\nstate    deleted for ")
	o.want("rotate kept", 1, "Error: kept: the webhook is deleted")
	untilTaken(t, o.api)
	o.want("register kept --drop-pending-updates", 0, "kept: registered as https://localhost:PORT/\n")
	if !slices.ContainsFunc(o.api.Calls("setWebhook"), func(c telegramtest.Call) bool { return c.Params["drop_pending_updates"] == "true" }) {
		t.Error("pending updates are not dropped")
	}

	// What Telegram refuses is told, and seen afterwards.
	o.api.Fail(failSetWebhook(&telegramtest.Fault{Status: http.StatusUnauthorized, Body: []byte(`{"ok":false,"error_code":401,"description":"Unauthorized"}`)}))
	o.want("register kept", 1, "Error: kept: setWebhook: refused with 401: Unauthorized (remedy: check bot_token: Telegram does not know it)\n")
	o.want("status kept", 2, "name        kept\nstate       failing for ")
	o.api.Fail(func(method string, _ map[string]string) *telegramtest.Fault {
		if method == "deleteWebhook" {
			return &telegramtest.Fault{Status: http.StatusBadGateway}
		}
		return nil
	})
	o.want("delete --yes kept", 1, "Error: kept: deleteWebhook: ")
}

// TestCommandAuditsInside adds what the webhook's own Caddy knows.
func TestCommandAuditsInside(t *testing.T) {
	t.Parallel()
	o := startOperated(t)
	find := func(args ...string) map[string]string {
		t.Helper()
		out, errs, status := o.run(append(args, "--json")...)
		var findings []struct{ Check, Result, Seen string }
		if err := json.Unmarshal([]byte(out), &findings); err != nil || status == 0 { // the address is not one for Telegram
			t.Fatalf("status %d, %v\n%s%s", status, err, out, errs)
		}
		found := map[string]string{"": errs}
		for _, f := range findings {
			found[f.Check] = f.Result + " " + f.Seen
		}
		return found
	}
	before := len(o.api.Calls(""))
	url := fmt.Sprintf("https://localhost:%d/", o.port)
	found := find("audit", url)
	for check, want := range map[string]string{
		"": "^$", "registration": "^pass registered .* ago by ",
		"last error": "^(pass none|warn SSL error .* alert internal error}, .*)$", // Telegram connects at once, perhaps before there is a certificate
		"pending":    "^pass 0 updates, asked ", "secret age": `^pass \d+ seconds?$`,
		"paths": "^warn answered without the secret, perhaps by the bot: any path \\(200\\), ",
	} {
		if !regexp.MustCompile(want).MatchString(found[check]) {
			t.Errorf("%s: got %q, want %s", check, found[check], want)
		}
	}
	if found := find("audit", url+"explicit"); !strings.HasPrefix(found["registration"], "pass nothing registers the webhook here") || found["right secret"] != "pass passes (200)" {
		t.Errorf("one without a bot_token: got %q", found)
	}
	if found := find("audit", url+"elsewhere"); found["registration"] != "" || !strings.HasPrefix(found[""], "No checks from inside: no webhook has this name or url; there is kept, ") {
		t.Errorf("an unknown url: got %q", found)
	}
	if _, errs, status := o.run("audit"); status != 1 || !strings.HasPrefix(errs, "Error: there are 2 webhooks, so name one: kept, ") {
		t.Errorf("no url: status %d, %s", status, errs)
	}
	if after := len(o.api.Calls("")); after != before {
		t.Errorf("%d calls of the Bot API", after-before)
	}

	// With one webhook no url is needed; and what goes wrong is found.
	o.run("delete", "--yes", "kept")
	config := caddytest.ReadFile(t, o.File("Caddyfile"))
	one, _, _ := strings.Cut(config, "\thandle /explicit")
	caddytest.Load(t, o.admin, one+"}\n")
	caddytest.WaitUntil(t, "it is known", func() bool { return state(t, o.admin, "kept").State == "deleted" })
	if found := find("audit"); found["registration"] != "fail deleted" || found["pending"] != "" || found["hsts"] == "" {
		t.Errorf("deleted: got %q", found)
	}
}
