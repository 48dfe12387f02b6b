package app

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/caddy-telegram/telegramwebhook/internal/deliver"
	"github.com/caddy-telegram/telegramwebhook/internal/storagetest"
)

// TestForbidden has a bot answer 403 itself, which Telegram reports as it does a refusal
// of the gate. The webhook is not registered again for it.
func TestForbidden(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		api := newTelegram(t)
		w := start(t, "a", api, storagetest.NewMemory())
		core, logs := observer.New(zap.WarnLevel)
		w.logger = zap.New(core)
		w.known = func() identity { return identity{name: "bot"} }
		for range 10 {
			w.RecordAnswer(deliver.Outcome{Status: 403})
			api.Sender(token).SetLastError("Wrong response from the webhook: 403 Forbidden", time.Now().Add(time.Second))
			time.Sleep(2 * time.Minute)
			synctest.Wait()
		}
		if _, sets := api.calls(); sets != 1 {
			t.Errorf("%d calls of setWebhook, want the first alone", sets)
		}
		if entries := logs.FilterMessage("update refused by the bot").All(); len(entries) != 1 || entries[0].ContextMap()["status"] != int64(403) ||
			!strings.Contains(entries[0].ContextMap()["remedy"].(string), "forward_secret") {
			t.Errorf("logged: %v", entries)
		}
	})
}
