package e2e

import "testing"

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
						if chapter.when == nil || chapter.when(s.bot) {
							t.Run(chapter.name, func(t *testing.T) { chapter.tell(t, s) })
						}
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
	when func(*bot) bool // nil is always
}{
	{"a user writes", userWrites, nil},
	{"a user presses a button", userPresses, nil},
	{"the bot answers within the webhook", botAnswersWithin, func(b *bot) bool { return b.kind.replies != "" }},
	{"a handler throws", handlerThrows, nil},
	{"a handler takes longer than Telegram waits", handlerIsSlow, nil},
	{"the same with dedupe", handlerIsSlowWithDedupe, nil},
	{"SIGTERM in the middle of an update", botIsTerminated, nil},
	{"a stranger forges updates", strangerForges, nil},
	{"the gate keeps the secret from a bot that checks it", secretIsKept, func(b *bot) bool { return b.secret != "" }},
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
	s.caddy = startCaddy(t, site{bot: s.bot, options: s.options(), admin: loopback(freePort(t))})
	s.telegram = newTelegram(t, s.caddy, 0)
	return s
}

// options are those of the gate.
func (s *story) options() []string {
	if s.bot.secret != "" {
		return []string{"forward_secret"}
	}
	return nil
}

// configure gives the running gate other options until the chapter ends.
func (s *story) configure(t *testing.T, options ...string) {
	s.caddy.site.options = options
	s.caddy.reload()
	t.Cleanup(func() {
		s.caddy.site.options = s.options()
		s.caddy.reload()
	})
}

// update returns the id of the next one.
func (s *story) update() int64 {
	s.updates++
	return s.updates
}
