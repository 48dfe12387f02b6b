package e2e

import (
	"errors"
	"net/http"
	"slices"
	"strconv"
	"testing"
	"time"

	facts "github.com/caddy-telegram/telegramwebhook/internal/telegram"
	"github.com/caddy-telegram/telegramwebhook/internal/telegramtest"
)

// A user writes to the bot, and the bot answers, in whichever way its framework
// does.
func userWrites(t *testing.T, s *story) {
	id := s.update()
	s.telegram.text(id, chat, "say "+saying)
	s.telegram.awaitDelivered()
	s.bot.awaitHandled(id, 1)

	calls := s.calls("sendMessage")
	if len(calls) != 1 || calls[0]["text"] != saying || calls[0]["chat_id"] != strconv.Itoa(chat) {
		t.Errorf("the bot's answers are %q", calls)
	}
	s.telegram.mustHaveSeenOnly(http.StatusOK)
}

// A user presses a button, which shows the user that the bot is at work until it
// answers.
func userPresses(t *testing.T, s *story) {
	id := s.update()
	s.telegram.press(id)
	s.telegram.awaitDelivered()
	s.bot.awaitHandled(id, 1)

	calls := s.calls("answerCallbackQuery")
	if len(calls) != 1 || calls[0]["text"] != "✓ book:3" || calls[0]["callback_query_id"] != "878479017394811337" {
		t.Errorf("the bot's answers are %q", calls)
	}
	s.telegram.mustHaveSeenOnly(http.StatusOK)
}

// calls returns the parameters of the calls of a method that the bot has made of
// the Bot API, or has had Telegram make by its answers.
func (s *story) calls(method string) (calls []map[string]string) {
	for _, call := range s.bot.api.Calls(method) {
		calls = append(calls, call.Params)
	}
	for _, try := range s.telegram.tries(func(a telegramtest.Attempt) bool { return a.Call != nil && a.Call.Method == method }) {
		calls = append(calls, try.Call.Params)
	}
	return calls
}

// The bot answers within its answer to the webhook. Every byte of that is
// Telegram's to read.
func botAnswersWithin(t *testing.T, s *story) {
	id := s.update()
	s.telegram.text(id, chat, "reply "+saying)
	s.telegram.awaitDelivered()
	s.bot.awaitHandled(id, 1)

	got := s.telegram.triesOf(id)[0]
	eventually(t, "the bot has reported its answer", func() bool { return s.bot.lastAnswer() != "" })
	if sent := s.bot.lastAnswer(); string(got.Body) != sent {
		t.Errorf("the bot answered %q, Telegram got %q", sent, got.Body)
	}
	if got.Call == nil || got.Call.Method != s.bot.kind.replies || got.Call.Params["chat_id"] != strconv.Itoa(chat) {
		t.Errorf("Telegram executes %+v", got.Call)
	}
	if got.Call != nil && got.Call.Method == "sendMessage" && got.Call.Params["text"] != saying {
		t.Errorf("Telegram sends %q", got.Call.Params["text"])
	}
	if hsts := got.Header.Get("Strict-Transport-Security"); hsts != "max-age=31536000" {
		t.Errorf("Strict-Transport-Security is %q", hsts)
	}
}

// A handler throws twice. The framework's status goes through as it is, with
// nothing that shortens Telegram's growing pauses, and the update comes again
// until the handler takes it. If the bot has answered before, the update is gone.
func handlerThrows(t *testing.T, s *story) {
	id := s.update()
	s.telegram.text(id, chat, "throw 2")
	s.telegram.awaitDelivered()
	s.bot.awaitBegan(id, 1)

	wantStatuses, wantPauses := []int{http.StatusOK}, []time.Duration{0}
	if failure := s.bot.kind.throws; !s.bot.kind.answersFirst {
		s.bot.awaitHandled(id, 1)
		wantStatuses, wantPauses = []int{failure, failure, http.StatusOK}, []time.Duration{0, 2 * time.Second, 0}
	}
	var statuses []int
	var pauses []time.Duration
	for _, try := range s.telegram.triesOf(id) {
		statuses, pauses = append(statuses, try.Status), append(pauses, try.Pause)
		if try.Header.Get("Retry-After") != "" {
			t.Error("the framework's answer got a Retry-After")
		}
	}
	if !slices.Equal(statuses, wantStatuses) {
		t.Errorf("Telegram was answered %v, want %v", statuses, wantStatuses)
	}
	if !slices.Equal(pauses, wantPauses) {
		t.Errorf("Telegram paused for %v, want %v", pauses, wantPauses)
	}
	if s.bot.kind.answersFirst && s.bot.ends(id) > 0 {
		t.Error("the update that threw was handled")
	}
}

// impatience is how long Telegram waits for a slow handler here, in place of a
// minute: the handler ends when Telegram has given up, however long that takes.
const impatience = 500 * time.Millisecond

// A handler takes longer than Telegram waits. Telegram hangs up and sends the
// update again, and the bot does the work twice; unless it has answered before.
func handlerIsSlow(t *testing.T, s *story) {
	telegram := newTelegram(t, s.caddy, impatience)
	id := s.update()
	telegram.text(id, chat, "slow "+name(id))

	if s.bot.kind.answersFirst {
		telegram.awaitDelivered()
		s.bot.awaitBegan(id, 1)
		s.bot.goOn(name(id))
		s.bot.awaitHandled(id, 1)
		if tries := len(telegram.triesOf(id)); tries != 1 {
			t.Errorf("Telegram has sent the update %d times", tries)
		}
		return
	}
	s.bot.awaitBegan(id, 2)
	s.bot.goOn(name(id))
	telegram.awaitDelivered()
	s.bot.awaitHandled(id, 2)
	if first := telegram.triesOf(id)[0]; !gaveUp(first) {
		t.Errorf("Telegram had an answer: %+v", first)
	}
}

// With dedupe the bot gets the update once: Telegram, when it comes again, is told to
// come later while the bot works.
func handlerIsSlowWithDedupe(t *testing.T, s *story) {
	s.configure(t, append(s.options(), "dedupe")...)
	telegram := newTelegram(t, s.caddy, impatience)
	id := s.update()
	telegram.text(id, chat, "slow "+name(id))

	if !s.bot.kind.answersFirst {
		telegram.await("Telegram is told to come later", withStatus(http.StatusServiceUnavailable))
	}
	s.bot.awaitBegan(id, 1)
	s.bot.goOn(name(id))
	telegram.awaitDelivered()
	s.bot.awaitHandled(id, 1)
	if n := s.bot.beginnings(id); n != 1 {
		t.Errorf("the bot got the update %d times", n)
	}
	telegram.mustHaveSeenOnly(0, http.StatusServiceUnavailable, http.StatusOK)
}

// name is what a slow handler is told to go on by.
func name(id int64) string { return strconv.FormatInt(id, 10) }

func gaveUp(a telegramtest.Attempt) bool { return errors.Is(a.Err, facts.ErrReadTimeout) }

// The bot is asked to end while it works on an update, as for a new version, and
// starts again after a while. It finishes its work first; or it does not, and then
// Telegram has no answer and sends the update again. What users write meanwhile
// waits.
func botIsTerminated(t *testing.T, s *story) {
	id := s.update()
	s.telegram.text(id, chat, "slow "+name(id))
	s.bot.awaitBegan(id, 1)
	s.bot.terminate(name(id))

	meanwhile := []int64{s.update(), s.update(), s.update()}
	for _, later := range meanwhile {
		s.telegram.text(later, chat+later, "are you there?")
	}
	s.telegram.await("Telegram hears that the bot is away", withStatus(http.StatusServiceUnavailable))
	s.bot.start()
	s.bot.goOn(name(id))
	s.telegram.awaitDelivered()

	for _, update := range append(meanwhile, id) {
		s.bot.awaitHandled(update, 1)
		if n := s.bot.ends(update); n != 1 {
			t.Errorf("update %d was handled %d times", update, n)
		}
	}
	tries := slices.DeleteFunc(s.telegram.triesOf(id), func(a telegramtest.Attempt) bool {
		return errors.Is(a.Err, facts.ErrClosed) // the reload of the chapter before has closed a kept connection
	})
	if again := len(tries) > 1; again != s.bot.kind.endsAtOnce {
		t.Errorf("whether Telegram had to send the update again: %t, want %t", again, s.bot.kind.endsAtOnce)
	}
	for _, away := range s.telegram.tries(withStatus(http.StatusServiceUnavailable)) {
		if got := away.Header.Get("Retry-After"); got != "5" || away.Pause != 5*time.Second {
			t.Errorf("a 503 with Retry-After %q, Telegram pauses for %s", got, away.Pause)
		}
	}
}

// Forged updates get an empty 403 and do not come as far as the bot.
func strangerForges(t *testing.T, s *story) {
	forger := newForger(s.caddy)
	for _, secrets := range forgeries {
		status, body, err := forger.post(secrets)
		if err != nil || status != http.StatusForbidden || body != "" {
			t.Errorf("with the secrets %q: %d %q %v", secrets, status, body, err)
		}
	}

	// Whatever came before a genuine update, the bot has reported by then.
	id := s.update()
	s.telegram.text(id, chat, "hello")
	s.telegram.awaitDelivered()
	s.bot.awaitHandled(id, 1)
	s.bot.mustHaveSeenOnlyGenuine(t)
}

// The gate is not told to hand on the secret, and the bot looks for it: a mistake
// that frameworks make more or less of.
func secretIsKept(t *testing.T, s *story) {
	s.configure(t)
	telegram := newTelegram(t, s.caddy, 0)
	id := s.update()
	telegram.text(id, chat, "hello")
	telegram.await("the bot answers", func(a telegramtest.Attempt) bool { return a.Status != 0 })

	if first := telegram.triesOf(id)[0]; first.Status != s.bot.kind.misses {
		t.Errorf("Telegram was answered %d, want %d", first.Status, s.bot.kind.misses)
	}
	if s.bot.beginnings(id) > 0 {
		t.Error("the bot has begun with the update")
	}
}
