package e2e

import (
	"flag"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/caddy-telegram/telegramwebhook/internal/telegramtest"
)

// The bots of examples/bots, in webhook mode, answer their user while Caddy fetches the
// updates with the laptop's Caddyfile. Nobody else can send them any, and there is no
// webhook.
func TestPoll(t *testing.T) {
	for _, e := range examples {
		if e.caddyfile != "bot.Caddyfile" {
			continue // it has its own
		}
		t.Run(e.name, func(t *testing.T) {
			t.Parallel()
			i := newInstallation(t)
			bot := e.start(t, i.apiURL)
			i.poll(bot.address)

			forger := newForger(i.caddy)
			for _, secrets := range forgeries {
				if status, body, err := forger.post(secrets); err != nil || status != http.StatusForbidden || body != "" {
					t.Errorf("a forged update was answered with %d %q %v", status, body, err)
				}
			}
			i.text(1, saying)
			i.awaitDelivered()

			var answer telegramtest.Call
			eventually(t, "the bot answers", func() bool {
				calls := i.api.Calls("sendMessage")
				if len(calls) > 0 {
					answer = calls[0]
				}
				return len(calls) == 1
			})
			// A method in the bot's answer comes to the Bot API as it is, with its name.
			inAnswer := answer.Params["method"] != ""
			if answer.Params["text"] != saying || answer.Params["chat_id"] != strconv.Itoa(chat) || inAnswer != e.answersAtOnce {
				t.Errorf("the bot's answer is %+v", answer)
			}
			if !bot.saw(`"update_id":1,`) {
				t.Error("the genuine update has passed the bot by")
			}
			header := "Telegram-Bot-Api-Secret-Token"
			for _, kept := range []string{forgedPath, "never here", header, strings.ReplaceAll(header, "-", "_")} {
				if bot.saw(kept) {
					t.Errorf("%q has come to the bot", kept)
				}
			}
			if n := len(i.api.Calls("setWebhook")) + len(i.api.Calls("deleteWebhook")); n > 0 {
				t.Errorf("the webhook was changed by %d calls", n)
			}
		})
	}
}

var long = flag.Bool("long", false, "have TestPollThroughRestarts send 10,000 updates in 200 chats, instead of 1,000 in 50, and TestRedis do ten rounds of faults")

const (
	// takeover is how long a Caddy that is started after a kill waits at most until it
	// fetches: the lease of the one before lasts 30 s, and is looked at every 10.
	takeover = time.Minute

	// fetched is how many updates Caddy has in memory at most, and may repeat after a kill.
	fetched = 100
)

// Caddy fetches the updates of many chats for a bot that fails one in ten at the first
// try and is restarted twice. Caddy is killed once. Every update is taken, those of a
// chat in order, and every answer is sent. Only updates that were not confirmed when
// Caddy was killed are repeated, and those at most once.
func TestPollThroughRestarts(t *testing.T) {
	t.Parallel()
	last, chats := int64(1000), int64(50)
	if *long {
		last, chats = 10000, 200
	}
	chatOf := func(id int64) int64 { return 1 + id%chats }
	i, bot := newInstallation(t), startBot(t, goTelegram, "")
	for id := int64(1); id <= last; id++ {
		word := "reply" // within the answer
		switch id % 10 {
		case 0:
			word = "retry"
		case 3, 6:
			word = "say" // by a call
		}
		i.api.Send(botToken, telegramtest.Message(id, chatOf(id), fmt.Sprint(word, " ", id)))
	}
	awaitTaken := func(n int64) {
		t.Helper()
		for part := int64(0); part <= n; part += 100 { // so that each wait is short, however many there are
			within(t, takeover+patience, fmt.Sprint(part, " updates are taken"), func() bool { return bot.updates() >= int(part) })
		}
	}
	start := time.Now()
	i.poll(bot.address)

	awaitTaken(last / 4)
	bot.process.end(syscall.SIGTERM)
	bot.start()
	awaitTaken(last / 2)
	i.kill()
	first := last - int64(i.telegram().Pending) + 1 // that was not confirmed
	i.start()
	awaitTaken(last * 3 / 4)
	bot.process.end(syscall.SIGTERM)
	bot.start()
	awaitTaken(last)
	i.awaitDelivered()
	took := time.Since(start)

	mayRepeat := func(id int64) bool { return first <= id && id < first+fetched }
	bot.mu.Lock()
	defer bot.mu.Unlock()
	latest := make(map[int64]int64) // the update taken last, by chat
	seen := make(map[int64]bool)
	for _, id := range bot.order {
		if !seen[id] && id < latest[chatOf(id)] {
			t.Errorf("update %d was taken after %d of the same chat", id, latest[chatOf(id)])
		}
		seen[id], latest[chatOf(id)] = true, max(latest[chatOf(id)], id)
	}
	answers := make(map[int64]int)
	for _, call := range append(i.api.Calls("sendMessage"), bot.api.Calls("sendMessage")...) {
		id, err := strconv.ParseInt(call.Params["text"], 10, 64)
		if err != nil || call.Params["chat_id"] != strconv.FormatInt(chatOf(id), 10) {
			t.Errorf("an answer that nobody gave: %v", call.Params)
		}
		answers[id]++
	}
	repeatedUpdates, repeatedAnswers, failed := 0, 0, 0
	for id := int64(1); id <= last; id++ {
		updates, sent := bot.handled[id], answers[id]
		if most := 2; updates == 0 || sent == 0 || max(updates, sent) > most || !mayRepeat(id) && max(updates, sent) > 1 {
			t.Errorf("update %d was taken %d times and answered %d times; after %d the kill may repeat some", id, updates, sent, first-1)
		}
		repeatedUpdates, repeatedAnswers = repeatedUpdates+updates-1, repeatedAnswers+sent-1
		if bot.began[id] > updates {
			failed++
		}
	}
	if failed < int(last/10) {
		t.Errorf("%d updates failed at first, want at least one in ten", failed)
	}
	t.Logf("%d updates in %d chats in %s: %d failed at first; after the kill %d updates and %d answers were repeated",
		last, chats, took.Round(time.Second), failed, repeatedUpdates, repeatedAnswers)
}
