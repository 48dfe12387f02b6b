package e2e

import (
	"testing"
	"time"
)

// Every bot lives through the same story, once with the gate alone looking at the
// secret, and once with the bot looking at it too.
func TestBots(t *testing.T) {
	for _, k := range kinds {
		t.Run(k.name, func(t *testing.T) {
			t.Parallel()
			for _, checkedByBoth := range []bool{false, true} {
				name, botSecret := "checked_by_gate", ""
				if checkedByBoth {
					name, botSecret = "checked_by_both", secret
				}
				t.Run(name, func(t *testing.T) {
					s := newStory(t, k, botSecret)
					for _, chapter := range chapters {
						t.Run(chapter.name, func(t *testing.T) { chapter.tell(t, s) })
					}
				})
			}
		})
	}
}

// chapters are what happens to a bot, in this order.
var chapters = []struct {
	name string
	tell func(*testing.T, *story)
}{
	{"a user writes", userWrites},
	{"a user presses a button", userPresses},
	{"the bot answers within the webhook", botAnswersWithin},
	{"a handler throws", handlerThrows},
	{"a handler takes longer than Telegram waits", handlerIsSlow},
	{"the same with dedupe", handlerIsSlowWithDedupe},
	{"SIGTERM in the middle of an update, and a restart", botIsTerminated},
	{"a stranger forges updates", strangerForges},
	{"the gate keeps the secret from a bot that checks it", secretIsKept},
}

// story is a bot, the gate before it, and Telegram before that.
type story struct {
	bot      *bot
	caddy    *caddy
	telegram *telegram
	updates  int64 // how many there were so far
}

// newStory starts them. A bot that checks the secret is handed it.
func newStory(t *testing.T, k *kind, botSecret string) *story {
	t.Helper()
	s := &story{bot: startBot(t, k, botSecret)}
	s.caddy, s.telegram = s.gate(t, 0)
	return s
}

// gate puts a gate with those options before the bot, and Telegram before that,
// which waits so long for an answer; 0 is as long as it does.
func (s *story) gate(t *testing.T, wait time.Duration, options ...string) (*caddy, *telegram) {
	t.Helper()
	if s.bot.secret != "" {
		options = append(options, "forward_secret")
	}
	c := startCaddy(t, site{bot: s.bot, options: options, admin: "off"})
	return c, newTelegram(t, c, wait)
}

// update returns the id of the next one.
func (s *story) update() int64 {
	s.updates++
	return s.updates
}
