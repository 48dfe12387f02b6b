package e2e

import (
	"fmt"
	"net/http"
	"strconv"
	"testing"

	"github.com/caddy-telegram/telegramwebhook/internal/telegramtest"
)

// What is said goes through JSON, and through a form for the Go library.
const saying = `Grüße & <b>"Küsse"</b> 🌻`

const chat = 7120045519

// arrangement is who looks at the secret: the gate alone, or the bot's library
// too, and then the gate hands the header on.
type arrangement struct {
	library       library
	checkedByBoth bool
}

func arrangements(libraries ...library) (all []arrangement) {
	for _, l := range libraries {
		all = append(all, arrangement{l, false}, arrangement{l, true})
	}
	return all
}

func (a arrangement) String() string {
	return fmt.Sprintf("%s/checked_by_both=%t", a.library.name, a.checkedByBoth)
}

// botSecret is the secret that the bot checks for, "" if it does not.
func (a arrangement) botSecret() string {
	if a.checkedByBoth {
		return secret
	}
	return ""
}

// set starts a bot, the gate before it, and Telegram before that.
func (a arrangement) set(t *testing.T, api *telegramtest.API) (*bot, *caddy, *telegram) {
	t.Helper()
	b := startBot(t, a.library, api, a.botSecret())
	c := startCaddy(t, site{bot: b, forwardSecret: a.checkedByBoth, admin: "off"})
	return b, c, newTelegram(t, c)
}

// A user writes to the bot, and the bot answers by calling the Bot API.
func TestBotAnswersThroughTheBotAPI(t *testing.T) {
	for _, a := range arrangements(goTelegram) {
		t.Run(a.String(), func(t *testing.T) {
			api := newBotAPI(telegramtest.APIOptions{})
			bot, _, telegram := a.set(t, api)

			telegram.text(1, chat, "say "+saying)
			telegram.awaitDelivered()
			bot.awaitHandled(1)

			calls := api.Calls("sendMessage")
			if len(calls) != 1 || calls[0].Params["text"] != saying || calls[0].Params["chat_id"] != strconv.Itoa(chat) {
				t.Errorf("the Bot API was called with %+v", calls)
			}
			bot.mustHaveSeen(a.botSecret())
			telegram.mustHaveSeenOnly(http.StatusOK)
		})
	}
}

// A user writes to the bot, and the bot answers within its answer to the
// webhook. Every byte of that is Telegram's to read.
func TestBotAnswersWithinTheWebhook(t *testing.T) {
	for _, a := range arrangements(grammy) {
		t.Run(a.String(), func(t *testing.T) {
			bot, _, telegram := a.set(t, nil)

			telegram.text(1, chat, "say "+saying)
			telegram.awaitDelivered()
			bot.awaitHandled(1)

			got := telegram.attempts[0]
			if len(bot.answers) != 1 || string(got.Body) != bot.answers[0] {
				t.Errorf("the bot answered %q, Telegram got %q", bot.answers, got.Body)
			}
			if got.Call == nil || got.Call.Method != "sendMessage" ||
				got.Call.Params["text"] != saying || got.Call.Params["chat_id"] != strconv.Itoa(chat) {
				t.Errorf("Telegram executes %+v", got.Call)
			}
			if hsts := got.Header.Get("Strict-Transport-Security"); hsts != "max-age=31536000" {
				t.Errorf("Strict-Transport-Security is %q", hsts)
			}
			bot.mustHaveSeen(a.botSecret())
		})
	}
}

// Forged updates get an empty 403 and do not come as far as the bot.
func TestForgeriesNeverReachTheBot(t *testing.T) {
	for _, a := range arrangements(goTelegram, grammy) {
		t.Run(a.String(), func(t *testing.T) {
			bot, caddy, telegram := a.set(t, nil)
			forger := newForger(caddy)

			for _, secrets := range forgeries {
				status, body, err := forger.post(secrets)
				if err != nil || status != http.StatusForbidden || body != "" {
					t.Errorf("with the secrets %q: %d %q %v", secrets, status, body, err)
				}
			}

			// Whatever came before a genuine update, the bot has reported by then.
			telegram.text(1, chat, "hello")
			telegram.awaitDelivered()
			bot.awaitHandled(1)
			bot.mustHaveSeen(a.botSecret())
			if len(bot.arrived) != 1 {
				t.Errorf("%d requests reached the bot, want the genuine one", len(bot.arrived))
			}
		})
	}
}
