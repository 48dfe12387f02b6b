package integration

import (
	"encoding/json"
	"fmt"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/caddy-telegram/telegramwebhook/integration/caddytest"
	"github.com/caddy-telegram/telegramwebhook/internal/telegramtest"
)

// trouble is a way in which a bot's webhook cannot be registered.
type trouble struct {
	method string             // of the Bot API that fails; empty for every one
	fault  telegramtest.Fault // how
	server string             // where the Bot API server is said to be instead: "nobody", or another URL
	result string             // of setWebhook, in the metrics; empty if it is not called
	remedy string             // what the log says, or a part of it
	// mended is what a person must do once the cause is gone: reload, since it is
	// tried again rarely, or correct. Nothing if it recovers by itself at once.
	mended string
}

const (
	byItself = "none at first: it is tried again"
	reload   = "reload"
	correct  = "correct"
)

// refused is what the Bot API refuses setWebhook with.
func refused(code int, description, more string) telegramtest.Fault {
	return telegramtest.Fault{Status: code, Body: fmt.Appendf(nil, `{"ok":false,"error_code":%d,"description":%q%s}`, code, description, more)}
}

func badRequest(description string) trouble {
	return trouble{
		method: "setWebhook", fault: refused(400, "Bad Request: "+description, ""), result: "400",
		remedy: "correct what Telegram complains about and reload", mended: reload,
	}
}

var troubles = map[string]trouble{
	"429":             {method: "setWebhook", fault: refused(429, "Too Many Requests: retry after 2", `,"parameters":{"retry_after":2}`), result: "429", remedy: "none: it is tried again"},
	"429_at_once":     {fault: refused(429, "Too Many Requests: retry after 1", `,"parameters":{"retry_after":1}`), remedy: "none: it is tried again"},
	"409":             {method: "setWebhook", fault: refused(409, "Conflict: terminated by other setWebhook", ""), result: "409", remedy: "none: it is tried again"},
	"401":             {fault: refused(401, "Unauthorized", ""), remedy: "check bot_token: Telegram does not know it", mended: reload},
	"404":             {fault: refused(404, "Not Found", ""), remedy: "check bot_token: Telegram does not know it", mended: reload},
	"400_url":         badRequest("invalid webhook URL specified"),
	"400_secret":      badRequest("secret token contains unallowed characters"),
	"400_long_secret": badRequest("secret token is too long"),
	"400_large_file":  badRequest("certificate size is too big (4000000 bytes)"),
	"400_https":       badRequest("bad webhook: An HTTPS URL must be provided for webhook"),
	"400_port":        badRequest("bad webhook: Webhook can be set up only on ports 80, 88, 443 or 8443"),
	"400_reserved":    badRequest("bad webhook: IP address 10.0.0.1 is reserved"),
	"400_ipv6":        badRequest("bad webhook: IPv6-only addresses are not allowed"),
	"400_host": {
		method: "setWebhook", fault: refused(400, "Bad Request: bad webhook: Failed to resolve host: Name or service not known", ""), result: "400",
		remedy: "see whether the host of the webhook has an A record",
	},
	"400_certificate": badRequest("bad webhook: Failed to set custom certificate file"),
	"500":             {fault: refused(500, "Internal Server Error", ""), remedy: byItself},
	"500_late":        {method: "setWebhook", fault: refused(500, "Internal Server Error", ""), result: "500", remedy: byItself},
	"502_html":        {fault: telegramtest.Fault{Status: http.StatusBadGateway, Body: []byte("<html>Bad Gateway</html>")}, remedy: byItself},
	"200_html":        {fault: telegramtest.Fault{Body: []byte("<html>a captive portal</html>")}, remedy: byItself},
	"10_mib":          {fault: telegramtest.Fault{Body: []byte(`{"ok":true,"result":"`), Size: 10 << 20}, remedy: byItself},
	"cut_off":         {fault: telegramtest.Fault{Body: []byte(`{"ok":tr`), Size: 100, Cut: true}, remedy: byItself},
	"cut_off_late":    {method: "setWebhook", fault: telegramtest.Fault{Body: []byte(`{"ok":tr`), Size: 100, Cut: true, Carry: true}, result: "unreachable", remedy: byItself},
	"no_answer":       {fault: telegramtest.Fault{Cut: true}, remedy: byItself},
	"time_out":        {fault: telegramtest.Fault{Delay: time.Hour}, remedy: byItself},
	"refused":         {server: "nobody", remedy: byItself},
	// Of a label of more than 63 letters it is known without a name server.
	"no_such_host": {server: "http://" + strings.Repeat("x", 64) + ".invalid", remedy: byItself, mended: correct},
}

// patient is a bot in trouble.
type patient struct {
	trouble
	name, token, tokenFile string
	api                    *telegramtest.API
	address                string // of the stand-in
	configured             string // as the Bot API server's
}

// newPatient makes a stand-in for Telegram for one bot.
func newPatient(t testing.TB, n int, name string, tr trouble) *patient {
	t.Helper()
	p := &patient{trouble: tr, name: name, token: fmt.Sprintf("%d:test_token_for_loopback_only_0000%03d", 200000000+n, n)}
	p.tokenFile = filepath.Join(t.TempDir(), "token")
	if err := caddytest.WriteFile(p.tokenFile, p.token); err != nil {
		t.Fatal(err)
	}
	p.api = telegramtest.NewAPI(telegramtest.APIOptions{Tokens: []string{p.token}, AllowPort: true, AllowReserved: true})
	if tr.server == "nobody" {
		p.address = fmt.Sprintf("127.0.0.1:%d", caddytest.FreePort(t))
		p.configured = "http://" + p.address
		t.Cleanup(p.api.Close)
		return p
	}
	p.api.Fail(func(method string, _ map[string]string) *telegramtest.Fault {
		if p.method != "" && !strings.EqualFold(p.method, method) || tr.server != "" {
			return nil
		}
		return &p.fault
	})
	address, stop := p.api.Start()
	t.Cleanup(stop)
	p.address, p.configured = address, address
	if tr.server != "" {
		p.configured = tr.server
	}
	return p
}

// mend ends the cause of the trouble.
func (p *patient) mend(t *testing.T) {
	t.Helper()
	if p.server != "nobody" {
		p.api.Fail(nil)
		p.configured = p.address
		return
	}
	listener, err := net.Listen("tcp", p.address)
	if err != nil {
		t.Fatal(err)
	}
	server := &httptest.Server{Listener: listener, Config: &http.Server{Handler: p.api}}
	server.Start()
	t.Cleanup(server.Close)
}

// entries are the lines of the log about the bot with that message.
func (p *patient) entries(c *caddytest.Process, message string) (lines []string) {
	for line := range strings.Lines(c.Out.String()) {
		if strings.Contains(line, fmt.Sprintf(`"msg":%q`, message)) && strings.Contains(line, fmt.Sprintf(`"name":%q`, p.name)) {
			lines = append(lines, line)
		}
	}
	return lines
}

// wantOnce reports a trouble that the log tells again though nothing has changed, and
// one that is not this bot's. Telegram takes setWebhook once a second: what it has carried out without
// an answer that arrives may be followed by a 429, which is a trouble of its own.
func (p *patient) wantOnce(t *testing.T, entries []string) {
	t.Helper()
	busy := slices.ContainsFunc(p.api.Calls("setWebhook"), func(c telegramtest.Call) bool { return c.Status == http.StatusTooManyRequests })
	last := ""
	for _, entry := range entries {
		var fields struct{ Error, Remedy string }
		if err := json.Unmarshal([]byte(entry), &fields); err != nil {
			t.Fatal(err)
		}
		own := strings.Contains(fields.Remedy, p.remedy)
		if fields.Remedy == last || !own && !(busy && strings.Contains(fields.Error, "refused with 429")) {
			t.Errorf("%s: the log says %q, and before it the remedy was %q", p.name, fields.Error, last)
		}
		last = fields.Remedy
	}
}

func (p *patient) metric(name, labels string) string {
	return fmt.Sprintf("caddy_telegram_webhook_%s{name=%q%s}", name, p.name, labels)
}

// TestEveryTrouble has a bot for each way in which a webhook cannot be registered,
// all in one Caddy: it runs, it serves, it says what is wrong, and when the cause
// is gone it recovers. A clock that jumps, and recovery after errors that are
// tried again rarely, are tested under a fake clock in internal/registrar.
func TestEveryTrouble(t *testing.T) {
	t.Parallel()
	bot := caddytest.StartBot(t, func(http.ResponseWriter, *http.Request) {})
	admin, port := caddytest.FreePort(t), caddytest.FreePort(t)
	var patients []*patient
	for _, name := range slices.Sorted(maps.Keys(troubles)) { // which has the time-out last
		if testing.Short() && name == "time_out" {
			continue // for which it waits 30 seconds
		}
		patients = append(patients, newPatient(t, len(patients), name, troubles[name]))
	}
	config := func(retryAfter int) string {
		var b strings.Builder
		fmt.Fprintf(&b, "{\n\tadmin localhost:%d\n\tskip_install_trust\n\tauto_https disable_redirects\n}\nhttps://localhost:%d {\n", admin, port)
		for _, p := range patients {
			b.WriteString(handle("/"+p.name,
				"telegram_webhook {env.TELEGRAM_SECRET} {",
				"bot_token {file."+p.tokenFile+"}", "api "+p.configured, "name "+p.name, "certificate internal",
				fmt.Sprintf("retry_after %ds", retryAfter), "}", "reverse_proxy "+bot))
		}
		return b.String() + "}\n"
	}
	c := caddytest.Start(t, config(5))
	client := c.Client()
	for _, p := range patients {
		t.Run(p.name, func(t *testing.T) {
			caddytest.WaitUntil(t, "the log says so", func() bool { return len(p.entries(c, "webhook not registered")) > 0 })
			entry := p.entries(c, "webhook not registered")[0]
			if !strings.Contains(entry, p.remedy) {
				t.Errorf("the log does not say %q: %s", p.remedy, entry)
			}
			body := caddytest.Metrics(t, admin)
			want := []string{p.metric("registered", "") + " 0"}
			if p.result != "" {
				want = append(want, p.metric("set_webhook_total", fmt.Sprintf(",result=%q", p.result))+" ")
			}
			for _, line := range want {
				if !strings.Contains(body, line) {
					t.Errorf("no %s in the metrics", line)
				}
			}
			if got := caddytest.Do(t, client, caddytest.Update(t, fmt.Sprintf("https://localhost:%d/%s", port, p.name), caddytest.RightSecret)); got.Status != http.StatusOK {
				t.Errorf("an update gets %d, want 200", got.Status)
			}
		})
		p.mend(t)
	}
	recovered := func(p *patient) {
		t.Helper()
		caddytest.WaitUntil(t, p.name+" is registered", func() bool {
			return strings.Contains(caddytest.Metrics(t, admin), p.metric("registered", "")+" 1")
		})
		if w := p.api.Webhook(p.token); w.URL != fmt.Sprintf("https://localhost:%d/%s", port, p.name) || w.Secret != caddytest.RightSecret {
			t.Errorf("%s: registered with %q", p.name, w.URL)
		}
	}
	for _, p := range patients {
		if p.mended == "" {
			recovered(p)
		}
	}
	caddytest.Load(t, admin, config(6))
	for _, p := range patients {
		recovered(p)
		p.wantOnce(t, p.entries(c, "webhook not registered"))
	}
	c.Stop()
	for _, p := range patients {
		if strings.Contains(c.Out.String(), p.token) {
			t.Errorf("the token of %s is in the log", p.name)
		}
	}
	if strings.Contains(c.Out.String(), caddytest.RightSecret) {
		t.Error("the secret is in the log")
	}
}

// TestBotThatRefuses has a bot answer genuine updates as if they were not for it. That is
// logged once for a configuration, and status tells it until the bot answers otherwise.
func TestBotThatRefuses(t *testing.T) {
	t.Parallel()
	var answer atomic.Int32
	bot := caddytest.StartBot(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(int(answer.Load())) })
	api, address := caddytest.StartTelegram(t)
	admin, port := caddytest.FreePort(t), caddytest.FreePort(t)
	c := caddytest.Start(t, registeringSite(port, address, bot, fmt.Sprintf("admin localhost:%d", admin), "name bot"))
	c.Out.Wait(t, "webhook registered")
	for _, tc := range []struct {
		status         int
		detail, advice string
	}{
		{401, "the bot has answered an update with 401", "forward_secret"},
		{404, "the bot has answered an update with 404", "trailing slash"},
		{301, "the bot has answered an update with 301", "no redirect"},
		{500, "", ""},
		{405, "the bot has answered an update with 405", "trailing slash"},
		{200, "", ""},
	} {
		answer.Store(int32(tc.status))
		if got := caddytest.Do(t, c.Client(), genuine(t, fmt.Sprintf("https://localhost:%d/", port), telegramtest.Message(int64(tc.status), 1, "hello"))); got.Status != tc.status {
			t.Errorf("got %d, want the bot's %d", got.Status, tc.status)
		}
		s := state(t, admin, "bot")
		if !strings.HasPrefix(s.Detail, tc.detail) || !strings.Contains(s.Advice, tc.advice) || (s.Detail+s.Advice == "") != (tc.detail == "") {
			t.Errorf("%d: status tells %q, %q", tc.status, s.Detail, s.Advice)
		}
	}
	if n := strings.Count(c.Out.String(), "update refused by the bot"); n != 1 {
		t.Errorf("logged %d times, want once", n)
	}
	wantSetWebhook(t, api, 1, "while the bot refuses")
}
