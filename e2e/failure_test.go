package e2e

import (
	"net/http"
	"testing"
	"time"

	"github.com/caddy-telegram/telegramwebhook/internal/telegramtest"
)

func withStatus(status int) func(telegramtest.Attempt) bool {
	return func(a telegramtest.Attempt) bool { return a.Status == status }
}

// The bot is killed in the midst of work and comes back later. grammY answers
// after its handlers are through, so not even what it was working on is lost;
// the Go library answers before, and so is no measure for this.
func TestNothingIsLostWhenTheBotIsKilled(t *testing.T) {
	s := newStory(t, grammy, "")
	bot, telegram := s.bot, s.telegram
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
	s := newStory(t, goTelegram, "")
	bot, caddy, telegram := s.bot, s.caddy, s.telegram
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
