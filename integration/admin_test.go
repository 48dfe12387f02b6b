package integration

import (
	"crypto/tls"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"

	"github.com/caddy-telegram/telegramwebhook/integration/caddytest"
)

// TestAdmin operates webhooks through Caddy's admin API.
func TestAdmin(t *testing.T) {
	t.Parallel()
	api, address := caddytest.StartTelegram(t)
	bot := caddytest.StartBot(t, func(http.ResponseWriter, *http.Request) {})
	admin, port := caddytest.FreePort(t), caddytest.FreePort(t)
	config := keptSite(port, address, bot, fmt.Sprintf("admin localhost:%d", admin), "name kept")
	config = strings.Replace(config, "\n\treverse_proxy", `
	handle /explicit {
		telegram_webhook {env.TELEGRAM_SECRET}
		reverse_proxy `+bot+`
	}
	reverse_proxy`, 1)
	config = strings.Replace(config, "telegram_webhook {\n", "@bot path /\n\ttelegram_webhook @bot {\n\t\turl /\n", 1)
	c := caddytest.Start(t, config)
	c.Out.Wait(t, "webhook registered")
	caddytest.WaitUntil(t, "it is known", func() bool { return state(t, admin, "kept").State == "registered" })

	s := state(t, admin, "kept")
	if s.URL != fmt.Sprintf("https://localhost:%d/", port) || s.Secret.Source != "kept" || s.RegisteredBy == "" ||
		time.Since(s.RegisteredAt) > caddytest.Patience || s.Telegram == nil || s.Telegram.URL != s.URL || s.Advice != "" ||
		s.Secret.Due.Sub(s.Secret.Made) != 30*24*time.Hour {
		t.Errorf("kept: %+v, Telegram: %+v", s, s.Telegram)
	}
	caddytest.Do(t, c.Client(), caddytest.Update(t, fmt.Sprintf("https://localhost:%d/explicit", port), "wrong"))
	s = state(t, admin, "localhost%2Fexplicit")
	if s.State != "unmanaged" || s.Advice == "" || s.Secret.Source != "configured" || s.Requests["wrong_secret"] != 1 || s.Requests["passed"] != 0 {
		t.Errorf("explicit: %+v", s)
	}
	if _, body := operate(t, admin, http.MethodGet, ""); strings.Count(body, `"state"`) != 2 {
		t.Errorf("all: %s", body)
	}

	// Rotating ends with another secret at Telegram.
	before, at := api.Webhook(caddytest.BotToken).Secret, state(t, admin, "kept").Secret.Made
	if code, body := operate(t, admin, http.MethodPost, "kept/rotate"); code != http.StatusOK {
		t.Errorf("rotate: got %d %s", code, body)
	}
	if after := api.Webhook(caddytest.BotToken).Secret; after == before || !state(t, admin, "kept").Secret.Made.After(at) {
		t.Error("rotate: the same secret")
	}

	// What is deleted stays so over reloads and restarts, until it is registered.
	if code, body := operate(t, admin, http.MethodDelete, "kept"); code != http.StatusOK || api.Webhook(caddytest.BotToken).URL != "" {
		t.Errorf("delete: got %d %s and %q is still there", code, body, api.Webhook(caddytest.BotToken).URL)
	}
	caddytest.Load(t, admin, config+"# changes nothing\n")
	caddytest.WaitUntil(t, "it stays deleted", func() bool { return state(t, admin, "kept").State == "deleted" })
	c.Restart()
	caddytest.WaitUntil(t, "it stays deleted", func() bool { return state(t, admin, "kept").State == "deleted" })
	if code, body := operate(t, admin, http.MethodGet, "ready"); code != http.StatusOK {
		t.Errorf("a node whose webhook is deleted: %d %s", code, body)
	}
	if code, body := operate(t, admin, http.MethodPost, "kept/rotate"); code != http.StatusConflict || !strings.Contains(body, "deleted") {
		t.Errorf("rotating what is deleted: got %d %s", code, body)
	}
	untilTaken(t, api)
	if code, body := operate(t, admin, http.MethodPost, "kept/register?drop_pending_updates=true"); code != http.StatusOK || api.Webhook(caddytest.BotToken).URL == "" {
		t.Errorf("register: got %d %s", code, body)
	}
	calls := api.Calls("setWebhook")
	if last := calls[len(calls)-1]; last.Params["drop_pending_updates"] != "true" {
		t.Errorf("register: the updates were not to be dropped: %v", last.Params)
	}
	for _, call := range calls[:len(calls)-1] {
		if _, ok := call.Params["drop_pending_updates"]; ok {
			t.Error("updates were dropped unasked")
		}
	}

	for name, tc := range map[string]struct {
		method, path string
		code         int
		want         string
	}{
		"unknown name":            {http.MethodGet, "nobody", 404, `no webhook has the name`},
		"unknown resource":        {http.MethodPost, "kept/explode", 404, "not found"},
		"wrong method":            {http.MethodPost, "kept", 405, "Method Not Allowed"},
		"wrong method for all":    {http.MethodDelete, "", 405, "Method Not Allowed"},
		"wrong method for rotate": {http.MethodGet, "kept/rotate", 405, "Method Not Allowed"},
		"a configured secret":     {http.MethodPost, "localhost%2Fexplicit/rotate", 409, "the secret is in the configuration"},
		"no bot token":            {http.MethodPost, "localhost%2Fexplicit/register", 409, "it has no bot_token"},
		"delete, no bot token":    {http.MethodDelete, "localhost%2Fexplicit", 409, "it has no bot_token"},
		"a wrong parameter":       {http.MethodPost, "kept/register?drop_pending_updates=maybe", 400, "neither true nor false"},
	} {
		code, body := operate(t, admin, tc.method, tc.path)
		if code != tc.code || !strings.Contains(body, tc.want) {
			t.Errorf("%s: got %d %s, want %d with %q", name, code, body, tc.code, tc.want)
		}
	}
	for _, value := range []string{api.Webhook(caddytest.BotToken).Secret, before, caddytest.RightSecret, caddytest.BotToken} {
		if _, body := operate(t, admin, http.MethodGet, ""); strings.Contains(body, value) {
			t.Error("a secret or token is told")
		}
	}

	// A webhook that has gone with a reload is not told of any more, and a failed
	// reload changes nothing.
	gone := strings.Replace(config, "handle /explicit", "handle /other", 1)
	caddytest.Load(t, admin, gone)
	if code, _ := operate(t, admin, http.MethodGet, "localhost%2Fexplicit"); code != http.StatusNotFound {
		t.Errorf("a webhook that has gone: got %d", code)
	}
	resp := caddytest.TryLoad(t, admin, config+"http://localhost:1 {\n\ttelegram_webhook {env.UNSET_IN_TESTS}\n}\n")
	if s := state(t, admin, "localhost%2Fother"); s.State != "unmanaged" || resp.Status == http.StatusOK {
		t.Errorf("after a failed reload (%d): %+v", resp.Status, s)
	}
}

// TestRemoteAdmin operates a webhook from afar: Caddy's own rules for remote
// administration say who may do what.
func TestRemoteAdmin(t *testing.T) {
	t.Parallel()
	bot := caddytest.StartBot(t, func(http.ResponseWriter, *http.Request) {})
	admin, remote, port := caddytest.FreePort(t), caddytest.FreePort(t), caddytest.FreePort(t)
	c := caddytest.Start(t, caddytest.Globals(fmt.Sprintf("admin localhost:%d", admin))+fmt.Sprintf(`
https://localhost:%d {
	telegram_webhook {env.TELEGRAM_SECRET} {
		name bot
	}
	reverse_proxy %s
}
`, port, bot))

	operator, reader, other := remoteUser(c, "operator"), remoteUser(c, "reader"), remoteUser(c, "other")
	config, err := json.Marshal(caddy.AdminConfig{
		Listen:   fmt.Sprintf("localhost:%d", admin),
		Identity: &caddy.IdentityConfig{Identifiers: []string{"localhost"}, IssuersRaw: []json.RawMessage{[]byte(`{"module":"internal"}`)}},
		Remote: &caddy.RemoteAdmin{Listen: fmt.Sprintf("localhost:%d", remote), AccessControl: []*caddy.AdminAccess{
			{PublicKeys: []string{publicKey(operator)}, Permissions: []caddy.AdminPermissions{{Paths: []string{"/telegram_webhook/"}}}},
			{PublicKeys: []string{publicKey(reader)}, Permissions: []caddy.AdminPermissions{{Paths: []string{"/telegram_webhook/bot"}, Methods: []string{http.MethodGet}}}},
			{PublicKeys: []string{publicKey(other)}, Permissions: []caddy.AdminPermissions{{Paths: []string{"/config/"}}}},
		}},
	})
	if err != nil {
		t.Fatal(err)
	}
	configure(t, http.MethodPost, admin, "/config/admin", string(config))
	caddytest.WaitUntil(t, "Caddy has its own certificate", func() bool { return c.Serves(fmt.Sprintf("localhost:%d", remote)) })

	for _, tc := range []struct {
		who    string
		cert   *tls.Certificate
		method string
		path   string
		code   int // 0: no connection
		want   string
	}{
		{"operator", &operator, http.MethodGet, "/telegram_webhook/", http.StatusOK, `"name":"bot"`},
		{"operator", &operator, http.MethodPost, "/telegram_webhook/bot/rotate", http.StatusConflict, "the secret is in the configuration"},
		{"operator", &operator, http.MethodGet, "/config/", http.StatusForbidden, "not authorized"},
		{"reader", &reader, http.MethodGet, "/telegram_webhook/bot", http.StatusOK, `"state":"unmanaged"`},
		{"reader", &reader, http.MethodGet, "/telegram_webhook/", http.StatusForbidden, "not authorized"},
		{"reader", &reader, http.MethodPost, "/telegram_webhook/bot/rotate", http.StatusForbidden, "not authorized"},
		{"reader", &reader, http.MethodDelete, "/telegram_webhook/bot", http.StatusForbidden, "not authorized"},
		{"somebody for other endpoints", &other, http.MethodGet, "/telegram_webhook/bot", http.StatusForbidden, "not authorized"},
		{"a stranger", nil, http.MethodGet, "/telegram_webhook/", 0, ""},
	} {
		client := c.Client()
		if tc.cert != nil {
			client.Transport.(*http.Transport).TLSClientConfig.Certificates = []tls.Certificate{*tc.cert}
		}
		r, err := http.NewRequest(tc.method, fmt.Sprintf("https://localhost:%d%s", remote, tc.path), nil)
		if err != nil {
			t.Fatal(err)
		}
		if tc.code == 0 {
			if resp, err := client.Do(r); err == nil {
				resp.Body.Close()
				t.Errorf("%s: %s %s is answered with %d", tc.who, tc.method, tc.path, resp.StatusCode)
			}
			continue
		}
		if got := caddytest.Do(t, client, r); got.Status != tc.code || !strings.Contains(got.Body, tc.want) {
			t.Errorf("%s: %s %s: got %d %s, want %d with %q", tc.who, tc.method, tc.path, got.Status, got.Body, tc.code, tc.want)
		}
	}
}

// remoteUser makes the key and certificate of one who administers from afar.
func remoteUser(c *caddytest.Process, name string) tls.Certificate {
	c.T.Helper()
	cert, key := c.File(name+".crt"), c.File(name+".key")
	selfSigned(c.T, cert, key)
	pair, err := tls.LoadX509KeyPair(cert, key)
	if err != nil {
		c.T.Fatal(err)
	}
	return pair
}

// publicKey is a certificate as Caddy's access control takes it.
func publicKey(pair tls.Certificate) string {
	return base64.StdEncoding.EncodeToString(pair.Certificate[0])
}

// TestFilesThatChange replaces the files of a secret and of a token under a running Caddy.
func TestFilesThatChange(t *testing.T) {
	t.Parallel()
	api, address := caddytest.StartTelegram(t)
	admin, port := caddytest.FreePort(t), caddytest.FreePort(t)
	dir := t.TempDir()
	write := func(name, value string) {
		if err := caddytest.WriteFile(filepath.Join(dir, name), value+"\n"); err != nil {
			t.Fatal(err)
		}
	}
	write("token", caddytest.BotToken)
	write("secret", caddytest.RightSecret)
	config := fmt.Sprintf(`{
	admin localhost:%d
	skip_install_trust
	auto_https disable_redirects
}
https://localhost:%d {
	telegram_webhook {file.%[3]s/secret} {
		bot_token {file.%[3]s/token}
		api %[4]s
		certificate internal
	}
	reverse_proxy 127.0.0.1:9
}
`, admin, port, dir, address)
	c := caddytest.Start(t, config)
	c.Out.Wait(t, "webhook registered")
	if s := state(t, admin, "123456789"); s.Detail != "" {
		t.Errorf("before a change: %+v", s)
	}
	for name, value := range map[string]string{"secret": caddytest.StaleSecret, "token": caddytest.OtherToken} {
		write(name, value)
		if s := state(t, admin, "123456789"); !strings.Contains(s.Detail, name+"} has changed since the configuration was loaded") || !strings.Contains(s.Advice, "caddy reload --force") {
			t.Errorf("the %s has changed: %+v", name, s)
		}
		write(name, map[string]string{"secret": caddytest.RightSecret, "token": caddytest.BotToken}[name])
	}
	if err := os.Remove(filepath.Join(dir, "token")); err != nil {
		t.Fatal(err)
	}
	if s := state(t, admin, "123456789"); !strings.Contains(s.Detail, "token} is empty or cannot be read any more") {
		t.Errorf("the token's file is gone: %+v", s)
	}
	write("token", caddytest.BotToken)
	write("secret", caddytest.StaleSecret)
	if out, err := c.Command("reload", "--force", "--address", fmt.Sprintf("localhost:%d", admin), "--config", c.File("Caddyfile")).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	caddytest.WaitUntil(t, "the new secret is registered", func() bool { return api.Webhook(caddytest.BotToken).Secret == caddytest.StaleSecret })
	caddytest.WaitUntil(t, "nothing is said of the files any more", func() bool {
		s := state(t, admin, "123456789")
		return s.State == "registered" && s.Detail == ""
	})
}
