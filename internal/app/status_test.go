package app

import (
	"testing"
	"time"

	"github.com/caddy-telegram/telegramwebhook/internal/botapi"
	"github.com/caddy-telegram/telegramwebhook/internal/registrar"
	"github.com/caddy-telegram/telegramwebhook/internal/status"
)

// TestErased has Telegram asked before setWebhook: when that is refused with 400, what
// Telegram had is gone.
func TestErased(t *testing.T) {
	const url = "https://bot.example.com/"
	for name, tc := range map[string]struct {
		state        registrar.State
		result, want string
	}{
		"refused":     {registrar.Failing, "400", "no webhook"},
		"not yet":     {registrar.Failing, "429", "this url"},
		"not called":  {registrar.Failing, "", "this url"},
		"not reached": {registrar.Failing, "unreachable", "this url"},
		"registered":  {registrar.Registered, "ok", "this url"},
	} {
		s := status.Webhook{Address: url}
		addRegistration(&s, registrar.Status{
			State: tc.state, Result: tc.result, InfoAt: time.Now(),
			Info: botapi.WebhookInfo{URL: url, IPAddress: "93.184.215.14", PendingUpdateCount: 3},
		})
		if has, ok := s.AtTelegram(); has != tc.want || ok != (has == "this url") || ok != (s.Telegram.IPAddress == "93.184.215.14") || s.Telegram.Pending != 3 {
			t.Errorf("%s: Telegram has %s, %+v", name, has, s.Telegram)
		}
	}
}
