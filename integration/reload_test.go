package integration

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/caddy-telegram/telegramwebhook/integration/caddytest"
	"github.com/caddy-telegram/telegramwebhook/internal/telegramtest"
)

// TestReloadUnderLoad reloads the configuration again and again while Telegram delivers
// on 40 connections and somebody forges: nothing is lost, nothing genuine is
// refused, and nothing forged passes.
func TestReloadUnderLoad(t *testing.T) {
	const connections, perReload = 40, 60
	reloads := size(50, 5)
	var seen sync.Map
	var forgedThrough atomic.Int64
	bot := caddytest.StartBot(t, func(w http.ResponseWriter, r *http.Request) {
		var u struct {
			ID int64 `json:"update_id"`
		}
		if err := json.NewDecoder(r.Body).Decode(&u); err != nil || u.ID == forgedID {
			forgedThrough.Add(1)
		}
		seen.Store(u.ID, true)
	})
	admin, port := caddytest.FreePort(t), caddytest.FreePort(t)
	config := func(n int) string {
		return fmt.Sprintf(`{
	admin localhost:%d
	skip_install_trust
	auto_https disable_redirects
}
https://localhost:%d {
	telegram_webhook {env.TELEGRAM_SECRET} {
		retry_after %ds
	}
	reverse_proxy %s
}
`, admin, port, n+1, bot)
	}
	c := caddytest.Start(t, config(0))
	client := c.Client()
	url := fmt.Sprintf("https://localhost:%d/", port)

	var refused, cut atomic.Int64
	telegram := telegramtest.NewSender(telegramtest.Webhook{
		URL: url, Secret: caddytest.RightSecret, MaxConnections: connections, RootCAs: c.Roots(),
	}, telegramtest.Options{
		After: func(d time.Duration) <-chan time.Time { return time.After(d / 100) },
		OnAttempt: func(a telegramtest.Attempt) {
			switch {
			case a.Status == 0:
				cut.Add(1)
			case a.Status != http.StatusOK:
				refused.Add(1)
				t.Errorf("update %d, try %d: got %d", a.UpdateID, a.Try, a.Status)
			}
		},
	})
	defer telegram.Close()

	forging, stopForging := context.WithCancel(context.Background())
	var forger sync.WaitGroup
	var forged atomic.Int64
	forger.Go(func() {
		for forging.Err() == nil {
			for _, secrets := range [][]string{nil, {"wrong"}, {caddytest.RightSecret[1:]}, {caddytest.RightSecret, caddytest.RightSecret}} {
				r := caddytest.Update(t, url, secrets...)
				r.Body = nil
				r.ContentLength = 0
				resp, err := client.Do(r)
				if err != nil {
					continue // the connection of a configuration that is gone
				}
				resp.Body.Close()
				forged.Add(1)
				if resp.StatusCode != http.StatusForbidden {
					t.Errorf("forged: got %d", resp.StatusCode)
				}
			}
		}
	})

	id := int64(1)
	for n := range reloads {
		for range perReload {
			telegram.Send(telegramtest.Message(id, id%(2*connections), "hello"))
			id++
		}
		caddytest.Load(t, admin, config(n+1))
	}
	ctx, cancel := context.WithTimeout(context.Background(), 2*caddytest.Patience)
	defer cancel()
	if err := telegram.Wait(ctx); err != nil {
		t.Fatalf("%v: %+v", err, telegram.Stats())
	}
	stopForging()
	forger.Wait()

	for i := int64(1); i < id; i++ {
		if _, ok := seen.Load(i); !ok {
			t.Errorf("update %d never reached the bot", i)
		}
	}
	if n := forgedThrough.Load(); n > 0 {
		t.Errorf("%d forged requests reached the bot", n)
	}
	if forged.Load() == 0 {
		t.Error("nothing was forged")
	}
	t.Logf("%d updates over %d reloads: 0 lost, %d refused, %d repeated after a closed connection; %d forgeries refused",
		id-1, reloads, refused.Load(), cut.Load(), forged.Load())
}

// forgedID is in no genuine update.
const forgedID = 0

// TestStopDuringAdminCalls ends a process while calls of its admin API wait for a
// Bot API that does not answer: they get an error, and the process does not wait
// for them. Caddy would, for ten seconds.
func TestStopDuringAdminCalls(t *testing.T) {
	t.Parallel()
	for path, hangs := range map[string]string{
		"bot/register": "setWebhook",
		"bot/rotate":   "getWebhookInfo",
	} {
		t.Run(hangs, func(t *testing.T) {
			t.Parallel()
			api, address := caddytest.StartTelegram(t)
			admin := caddytest.FreePort(t)
			// Without a grace period Caddy waits five seconds for the connection that Telegram
			// opens when the webhook is set, and on which nothing has come.
			options := fmt.Sprintf("admin localhost:%d\n\tgrace_period 1s", admin)
			c := caddytest.Start(t, keptSite(caddytest.FreePort(t), address, "127.0.0.1:9", options, "name bot"))
			c.Out.Wait(t, "webhook registered")
			called := make(chan struct{}, 100)
			api.Fail(func(method string, _ map[string]string) *telegramtest.Fault {
				if method != hangs {
					return nil
				}
				called <- struct{}{}
				return &telegramtest.Fault{Delay: time.Minute}
			})
			const callers = 5
			answers := make(chan string, callers)
			for range callers {
				go func() { answers <- post(admin, "/telegram_webhook/"+path) }()
			}
			caddytest.Within(t, "the Bot API is called", called)
			_ = c.Cmd.Process.Signal(syscall.SIGTERM)
			watchdog := time.AfterFunc(5*time.Second, func() { _ = c.Cmd.Process.Kill() })
			if err := c.Cmd.Wait(); err != nil {
				t.Errorf("the process has not ended by itself: %v", err)
			}
			watchdog.Stop()
			ended := 0
			for range callers {
				got := caddytest.Within(t, "an answer", answers)
				if strings.HasPrefix(got, "200") {
					t.Errorf("got %s, want an error", got)
				}
				if strings.HasPrefix(got, "502") && strings.Contains(got, "the configuration was stopped") {
					ended++
				}
			}
			if ended == 0 { // a caller may have come too late to be told
				t.Error("nobody was told that the configuration has ended")
			}
		})
	}
}

// post asks the admin API for a change, and returns the answer or the error.
func post(admin int, path string) string {
	resp, err := http.Post(fmt.Sprintf("http://localhost:%d%s", admin, path), "", nil)
	if err != nil {
		return err.Error()
	}
	defer resp.Body.Close()
	content, err := io.ReadAll(resp.Body)
	return fmt.Sprintf("%s %s %v", resp.Status, content, err)
}

// TestLoadThatFailsLate gives Caddy a configuration that fails after all apps have started:
// it fetches another one, from where nobody is. Nothing is registered, and the old one goes on.
func TestLoadThatFailsLate(t *testing.T) {
	t.Parallel()
	api, address := caddytest.StartTelegram(t)
	bot := caddytest.StartBot(t, func(http.ResponseWriter, *http.Request) {})
	admin, port := caddytest.FreePort(t), caddytest.FreePort(t)
	c := caddytest.Start(t, keptSite(port, address, bot, fmt.Sprintf("admin localhost:%d", admin), "name bot"))
	c.Out.Wait(t, "webhook registered")
	before := api.Webhook(caddytest.BotToken)

	var config map[string]any
	other := strings.Replace(caddytest.Get(t, admin, "/config/"), `"bot_token"`, `"url":"/other","bot_token"`, 1)
	if err := json.Unmarshal([]byte(other), &config); err != nil {
		t.Fatal(err)
	}
	config["admin"].(map[string]any)["config"] = map[string]any{"load": map[string]any{"module": "http", "url": fmt.Sprintf("http://127.0.0.1:%d/", caddytest.FreePort(t))}}
	late, err := json.Marshal(config)
	if err != nil {
		t.Fatal(err)
	}
	r, err := http.NewRequest(http.MethodPost, fmt.Sprintf("http://localhost:%d/load", admin), bytes.NewReader(late))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	if got := caddytest.Do(t, http.DefaultClient, r); got.Status != http.StatusBadRequest || !strings.Contains(got.Body, "loading dynamic config") {
		t.Fatalf("the load got %d: %s", got.Status, got.Body)
	}
	if got := caddytest.Do(t, c.Client(), caddytest.Update(t, before.URL, before.Secret)); got.Status != http.StatusOK {
		t.Errorf("an update gets %d", got.Status)
	}
	untilTaken(t, api)
	if code, body := operate(t, admin, http.MethodPost, "bot/register"); code != http.StatusOK {
		t.Errorf("register: %d: %s", code, body)
	}
	for _, call := range api.Calls("setWebhook") {
		if call.Params["url"] != before.URL {
			t.Errorf("%s is registered", call.Params["url"])
		}
	}
	wantSetWebhook(t, api, 2, "at the start and on demand")
}
