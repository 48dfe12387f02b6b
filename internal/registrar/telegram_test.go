package registrar

import (
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/caddy-telegram/telegramwebhook/internal/botapi"
	"github.com/caddy-telegram/telegramwebhook/internal/telegramtest"
)

const token = "123456789:" + "test_token_for_loopback_only_0000000"

// server is Telegram. Updates are never delivered.
type server struct{ *telegramtest.API }

func newTelegram(t *testing.T, tokens ...string) *server {
	t.Helper()
	api := telegramtest.NewAPI(telegramtest.APIOptions{Tokens: tokens, NoDelivery: true})
	t.Cleanup(api.Close)
	return &server{api}
}

// client calls it for the bot of that token.
func (a *server) client(t *testing.T, token string) *botapi.Client {
	t.Helper()
	account, err := botapi.NewAccount(token, "", false)
	if err != nil {
		t.Fatal(err)
	}
	return botapi.NewClient(account, a.API)
}

// away is a fault of every call: the connection is cut.
var away = &telegramtest.Fault{Cut: true}

// refusal is a fault of every call: Telegram refuses it.
func refusal(code int, description, more string) *telegramtest.Fault {
	return &telegramtest.Fault{Status: code, Body: fmt.Appendf(nil, `{"ok":false,"error_code":%d,"description":%q%s}`, code, description, more)}
}

// failWith makes every call of some methods, or of all, fail; nil ends that.
func (a *server) failWith(fault *telegramtest.Fault) {
	a.Fail(func(string, map[string]string) *telegramtest.Fault { return fault })
}

// slow makes setWebhook take so long.
func (a *server) slow(d time.Duration) {
	a.Fail(func(method string, _ map[string]string) *telegramtest.Fault {
		if method != "setWebhook" {
			return nil
		}
		return &telegramtest.Fault{Delay: d}
	})
}

// takeOver has somebody else register the bot with that url; empty deletes it.
func (a *server) takeOver(t *testing.T, url string) {
	t.Helper()
	if !a.TakeOver(token, map[string]string{"url": url}, nil) {
		t.Fatal("not taken over")
	}
}

// meet has Telegram meet an error, when it delivers.
func (a *server) meet(message string, at time.Time) { a.Sender(token).SetLastError(message, at) }

// calls counts the calls of setWebhook, but those that came too soon after another.
func (a *server) calls() (n int) {
	for _, call := range a.Calls("setWebhook") {
		if call.Status != http.StatusTooManyRequests {
			n++
		}
	}
	return n
}

func (a *server) comparisons() int { return len(a.Calls("getWebhookInfo")) }

func (a *server) registered() telegramtest.Webhook { return a.Webhook(token) }

func wantCalls(t *testing.T, api *server, n int, when string) {
	t.Helper()
	if got := api.calls(); got != n {
		t.Errorf("%s: %d calls of setWebhook, want %d", when, got, n)
	}
}
