package integration

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/caddy-telegram/telegramwebhook/integration/caddytest"
	"github.com/caddy-telegram/telegramwebhook/internal/telegramtest"
)

// manyToken is the n-th of many bots'.
func manyToken(n int) string {
	return fmt.Sprintf("%d:test_token_for_loopback_only_%07d", 200_000_000+n, n)
}

// manyBots is a site with so many bots, a path each.
func manyBots(admin, port, bots int, api, bot string) string {
	var handles strings.Builder
	for n := range bots {
		handles.WriteString(handle(fmt.Sprintf("/bot-%d", n), "telegram_webhook {", "bot_token "+manyToken(n), "api "+api, "certificate internal", "}", "reverse_proxy "+bot))
	}
	return fmt.Sprintf(`{
	admin localhost:%d
	skip_install_trust
	auto_https disable_redirects
}
https://localhost:%d {
%s
	respond 404
}
`, admin, port, handles.String())
}

// manyRoute is the route of the n-th bot, for the config API.
func manyRoute(n int, api, bot string) string {
	return fmt.Sprintf(`{
	"@id": "bot-%[1]d",
	"match": [{"path": ["/bot-%[1]d"]}],
	"handle": [
		{"handler": "telegram_webhook", "bot_token": %[2]q, "api": %[3]q, "certificate": "internal"},
		{"handler": "reverse_proxy", "upstreams": [{"dial": %[4]q}]}
	],
	"terminal": true
}`, n, manyToken(n), api, bot)
}

// TestBotsComeAndGo adds and removes bots by Caddy's config API, while Telegram
// delivers to others: those are registered once and for all, and lose nothing.
func TestBotsComeAndGo(t *testing.T) {
	t.Parallel()
	const perChange = 5
	staying, coming := size(20, 6), size(6, 3)
	var seen sync.Map // of a bot's path and an update's id
	bot := caddytest.StartBot(t, func(_ http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		seen.Store(r.URL.Path+" "+strings.SplitN(strings.TrimPrefix(string(body), `{"update_id":`), ",", 2)[0], true)
	})
	telegram := telegramtest.NewAPI(telegramtest.APIOptions{
		AllowPort: true, AllowReserved: true,
		Sender: telegramtest.Options{
			After: func(d time.Duration) <-chan time.Time { return time.After(d / 100) },
			OnAttempt: func(a telegramtest.Attempt) {
				if a.Status != 0 && a.Status != http.StatusOK { // 0: the connection of a configuration that is gone
					t.Errorf("update %d, try %d: got %d", a.UpdateID, a.Try, a.Status)
				}
			},
		},
	})
	api, stop := telegram.Start()
	t.Cleanup(stop)
	admin, port := caddytest.FreePort(t), caddytest.FreePort(t)
	caddytest.Start(t, manyBots(admin, port, staying, api, bot))
	registered := func(n int) bool { return telegram.Webhook(manyToken(n)).URL != "" }
	caddytest.WaitUntil(t, "all are registered", func() bool {
		for n := range staying {
			if !registered(n) {
				return false
			}
		}
		return true
	})

	routes := "/config/apps/http/servers/srv0/routes/0/handle/0/routes"
	id := int64(0)
	send := func() {
		for range perChange {
			id++
			for n := range staying {
				telegram.Send(manyToken(n), telegramtest.Message(id, id%7, "hello"))
			}
		}
	}
	for n := staying; n < staying+coming; n++ {
		send()
		configure(t, http.MethodPut, admin, routes+"/0", manyRoute(n, api, bot))
		caddytest.WaitUntil(t, "the new one is registered", func() bool { return registered(n) })
		send()
		if n > staying+1 {
			configure(t, http.MethodDelete, admin, fmt.Sprintf("/id/bot-%d", n-1), "")
		}
	}
	ctx, cancel := context.WithTimeout(context.Background(), 2*caddytest.Patience)
	defer cancel()
	for n := range staying {
		if err := telegram.Sender(manyToken(n)).Wait(ctx); err != nil {
			t.Fatalf("%v: %+v", err, telegram.Sender(manyToken(n)).Stats())
		}
		for update := int64(1); update <= id; update++ {
			if _, ok := seen.Load(fmt.Sprintf("/bot-%d %d", n, update)); !ok {
				t.Errorf("update %d never reached bot %d", update, n)
			}
		}
	}
	sets := make(map[string]int)
	for _, call := range telegram.Calls("setWebhook") {
		sets[call.Token]++
	}
	for n := range staying + coming {
		if sets[manyToken(n)] != 1 {
			t.Errorf("bot %d: %d calls of setWebhook, want 1", n, sets[manyToken(n)])
		}
	}
	if calls := telegram.Calls("deleteWebhook"); len(calls) > 0 {
		t.Errorf("%d calls of deleteWebhook", len(calls))
	}
	t.Logf("%d updates to each of %d bots, while %d came and %d went; getWebhookInfo was called %d times",
		id, staying, coming, coming-2, len(telegram.Calls("getWebhookInfo")))
}

// TestNewBotsTakeTurns has more new bots than Telegram takes at a time from one
// address: those that it is not yet asked for say that they wait. A proxy that
// refuses stands for the way to Telegram.
func TestNewBotsTakeTurns(t *testing.T) {
	t.Parallel()
	const bots = 30
	proxy := caddytest.StartBot(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusBadGateway) })
	admin := caddytest.FreePort(t)
	config := manyBots(admin, caddytest.FreePort(t), bots, "", "127.0.0.1:9")
	for n := range bots {
		config = strings.Replace(config, "api \n", fmt.Sprintf("url https://bot.example.com/bot-%d\n", n), 1)
	}
	caddytest.Start(t, config, "HTTPS_PROXY=http://"+proxy)
	caddytest.WaitUntil(t, "some are called for, and others wait", func() bool {
		list := caddytest.Get(t, admin, "/telegram_webhook/")
		return strings.Contains(list, "no answer from https://api.telegram.org: Bad Gateway") && strings.Contains(list, "waiting for a turn")
	})
}
