package integration

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/caddy-telegram/telegramwebhook/integration/caddytest"
	"github.com/caddy-telegram/telegramwebhook/internal/status"
	"github.com/caddy-telegram/telegramwebhook/internal/telegramtest"
)

// operate asks the gate's part of the admin API.
func operate(t *testing.T, admin int, method, path string) (code int, body string) {
	t.Helper()
	return caddytest.AskAdmin(t, admin, method, "/telegram_webhook/"+path)
}

// state reads the state of a webhook.
func state(t *testing.T, admin int, name string) (s status.Webhook) {
	t.Helper()
	code, body := operate(t, admin, http.MethodGet, name)
	if err := json.Unmarshal([]byte(body), &s); err != nil || code != http.StatusOK {
		t.Fatalf("GET %s: got %d, %v: %s", name, code, err, body)
	}
	return s
}

// untilTaken waits until Telegram takes setWebhook again, once a second.
func untilTaken(t *testing.T, api *telegramtest.API) {
	t.Helper()
	calls := api.Calls("setWebhook")
	caddytest.WaitUntil(t, "a second has passed", func() bool { return time.Since(calls[len(calls)-1].At) > time.Second+100*time.Millisecond })
}

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
		"unknown resource":        {http.MethodPost, "kept/explode", 404, "resource not found"},
		"wrong method":            {http.MethodPost, "kept", 405, "method not allowed"},
		"wrong method for all":    {http.MethodDelete, "", 405, "method not allowed"},
		"wrong method for rotate": {http.MethodGet, "kept/rotate", 405, "method not allowed"},
		"a configured secret":     {http.MethodPost, "localhost%2Fexplicit/rotate", 409, "the secret is in the configuration"},
		"no bot token":            {http.MethodPost, "localhost%2Fexplicit/register", 409, "registered by something else"},
		"delete, no bot token":    {http.MethodDelete, "localhost%2Fexplicit", 409, "registered by something else"},
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
	resp, err := http.Post(fmt.Sprintf("http://localhost:%d/load", admin), "text/caddyfile", strings.NewReader(config+"http://localhost:1 {\n\ttelegram_webhook {env.UNSET_IN_TESTS}\n}\n"))
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if s := state(t, admin, "localhost%2Fother"); s.State != "unmanaged" || resp.StatusCode == http.StatusOK {
		t.Errorf("after a failed reload (%s): %+v", resp.Status, s)
	}
}
