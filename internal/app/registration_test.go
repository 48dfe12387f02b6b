package app

import (
	"strings"
	"testing"

	"github.com/caddy-telegram/telegramwebhook/internal/botapi"
)

// TestTokenInURL refuses an address with the bot token in it, in every form, before
// Telegram erases the old webhook.
func TestTokenInURL(t *testing.T) {
	const half = "AAF-planted_Token_0123456789-abcdef"
	account, err := botapi.NewAccount("123456789:"+half, "", false)
	if err != nil {
		t.Fatal(err)
	}
	r := &Registration{Account: account, Parameters: botapi.Webhook{MaxConnections: 40}}
	for _, path := range []string{"123456789:" + half, "bot123456789:" + half, half, "123456789%3A" + half, strings.ToLower("123456789:" + half)} {
		_, err := r.Webhook("https://bot.example.com/"+path, nil)
		if err == nil || !strings.HasPrefix(err.Error(), "url: holds a bot token") || strings.Contains(err.Error(), half) {
			t.Errorf("%s: got %v", path, err)
		}
	}
	if _, err := r.Webhook("https://bot.example.com/telegram", nil); err != nil {
		t.Error(err)
	}
}
