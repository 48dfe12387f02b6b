package e2e

import (
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/caddy-telegram/telegramwebhook/internal/telegramtest"
)

func withStatus(status int) func(telegramtest.Attempt) bool {
	return func(a telegramtest.Attempt) bool { return a.Status == status }
}

// A handler throws twice. The framework's status goes through as it is, with
// nothing that shortens Telegram's growing pauses, and the update comes again
// until the handler takes it.
func TestUpdateThatThrowsComesAgain(t *testing.T) {
	for _, a := range arrangements(grammy) {
		t.Run(a.String(), func(t *testing.T) {
			bot, _, telegram := a.set(t, nil)

			telegram.text(1, chat, "throw 2")
			telegram.awaitDelivered()
			bot.awaitHandled(1)

			var statuses []int
			var pauses []time.Duration
			for _, try := range telegram.attempts {
				statuses, pauses = append(statuses, try.Status), append(pauses, try.Pause)
				if try.Header.Get("Retry-After") != "" {
					t.Error("the framework's answer got a Retry-After")
				}
			}
			if !slices.Equal(statuses, []int{500, 500, 200}) {
				t.Errorf("Telegram was answered %v", statuses)
			}
			if !slices.Equal(pauses, []time.Duration{0, 2 * time.Second, 0}) {
				t.Errorf("Telegram paused for %v", pauses)
			}
		})
	}
}

// The bot is killed in the midst of work and comes back later. grammY answers
// after its handlers are through, so not even what it was working on is lost;
// the Go library answers before, and so is no measure for this.
func TestNothingIsLostWhenTheBotIsKilled(t *testing.T) {
	bot, _, telegram := arrangement{library: grammy}.set(t, nil)
	stop := telegram.flow()

	eventually(t, "the bot is at work", func() bool { return bot.updates() > 200 })
	bot.kill()
	telegram.await("Telegram hears that the bot is away", withStatus(http.StatusServiceUnavailable))
	bot.start()
	before := bot.updates()
	eventually(t, "the bot is at work again", func() bool { return bot.updates() > before+200 })

	last := stop()
	telegram.awaitDelivered()
	bot.awaitAll(last)

	// 502 is for what the bot was working on: it may be what killed it.
	telegram.mustHaveSeenOnly(http.StatusOK, http.StatusServiceUnavailable, http.StatusBadGateway)
	for _, a := range telegram.tries(withStatus(http.StatusServiceUnavailable)) {
		if got := a.Header.Get("Retry-After"); got != "5" || a.Pause != 5*time.Second {
			t.Fatalf("a 503 with Retry-After %q, Telegram pauses for %s", got, a.Pause)
		}
	}
	for _, a := range telegram.tries(withStatus(http.StatusBadGateway)) {
		if got := a.Header.Get("Retry-After"); got != "" {
			t.Fatalf("a 502 with Retry-After %q", got)
		}
	}
	t.Logf("%d updates, answers by status: %v", last, telegram.statuses())
}

// Caddy is ended under load, as for an upgrade, and started again.
func TestNothingIsLostWhenCaddyRestarts(t *testing.T) {
	bot, caddy, telegram := arrangement{library: goTelegram}.set(t, nil)
	stop := telegram.flow()

	eventually(t, "the bot is at work", func() bool { return bot.updates() > 200 })
	caddy.terminate()
	telegram.await("Telegram finds nobody there", withStatus(0))
	caddy.start()
	before := bot.updates()
	eventually(t, "the bot is at work again", func() bool { return bot.updates() > before+200 })

	last := stop()
	telegram.awaitDelivered()
	bot.awaitAll(last)
	telegram.mustHaveSeenOnly(http.StatusOK, 0)
	t.Logf("%d updates, answers by status: %v", last, telegram.statuses())
}
