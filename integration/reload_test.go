package integration

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/caddy-telegram/telegramwebhook/integration/caddytest"
	"github.com/caddy-telegram/telegramwebhook/internal/telegramtest"
)

// TestReloadUnderLoad reloads the configuration 50 times while Telegram delivers
// on 40 connections and somebody forges: nothing is lost, nothing genuine is
// refused, and nothing forged passes.
func TestReloadUnderLoad(t *testing.T) {
	const reloads, connections, perReload = 50, 40, 60
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
