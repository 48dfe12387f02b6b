package e2e

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/caddy-telegram/telegramwebhook/internal/telegramtest"
)

const (
	// Forged requests go to a path of their own, so that the bot can tell.
	genuinePath = "/updates"
	forgedPath  = "/forged"

	// hurry is by how much the sender's pauses are shorter than Telegram's.
	hurry = 50

	// chats is among how many a flow of updates is spread. Telegram sends the
	// updates of one chat one after the other.
	chats = 100

	// chat is where a user and the bot talk.
	chat = 7120045519

	// What is said goes through JSON, and through a form for the Go library.
	saying = `Grüße & <b>"Küsse"</b> 🌻`

	// window is how many updates of a flow may wait for their delivery.
	window = 200
)

// telegram delivers updates as Telegram does and remembers how that went.
type telegram struct {
	*telegramtest.Sender
	t    *testing.T
	room chan struct{} // holds a value for each undelivered update of the flow

	mu       sync.Mutex
	attempts []telegramtest.Attempt
}

// newTelegram is Telegram after the webhook was registered. It waits so long for
// an answer; 0 is as long as Telegram.
func newTelegram(t *testing.T, c *caddy, timeout time.Duration) *telegram {
	tg := &telegram{t: t, room: make(chan struct{}, window)}
	tg.Sender = telegramtest.NewSender(
		telegramtest.Webhook{URL: c.url(genuinePath), Secret: secret, MaxConnections: 40, RootCAs: c.roots},
		telegramtest.Options{
			After:     func(d time.Duration) <-chan time.Time { return time.After(d / hurry) },
			Dial:      c.dial,
			OnAttempt: tg.record,

			ReadTimeout: timeout,
		})
	t.Cleanup(tg.Close)
	return tg
}

func (tg *telegram) record(a telegramtest.Attempt) {
	tg.mu.Lock()
	tg.attempts = append(tg.attempts, a)
	tg.mu.Unlock()
	if a.Delivered {
		select {
		case <-tg.room:
		default: // an update that is not of the flow
		}
	}
}

// text sends a text message to the bot.
func (tg *telegram) text(id, chat int64, text string) {
	tg.Send(telegramtest.Message(id, chat, text))
}

// press has a user press a button below one of the bot's messages.
func (tg *telegram) press(id int64) {
	_, rest, _ := bytes.Cut(telegramtest.Updates()["callback_query"], []byte(","))
	tg.Send(fmt.Appendf(nil, `{"update_id":%d,%s`, id, rest))
}

// flow sends text messages without end, with ids from 1, until stop is called:
// it returns the last id.
func (tg *telegram) flow() (stop func() int64) {
	quit, last := make(chan struct{}), make(chan int64)
	go func() {
		for id := int64(1); ; id++ {
			select {
			case tg.room <- struct{}{}:
				tg.text(id, 1+id%chats, "hello")
			case <-quit:
				last <- id - 1
				return
			}
		}
	}()
	stop = sync.OnceValue(func() int64 {
		close(quit)
		return <-last
	})
	tg.t.Cleanup(func() { stop() })
	return stop
}

// awaitDelivered returns once every update is delivered.
func (tg *telegram) awaitDelivered() {
	tg.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := tg.Wait(ctx); err != nil {
		tg.t.Fatalf("%v; undelivered: %d, last error: %s", err, tg.Stats().Pending, tg.Stats().LastError)
	}
}

// tries returns the attempts so far that are so.
func (tg *telegram) tries(so func(telegramtest.Attempt) bool) []telegramtest.Attempt {
	tg.mu.Lock()
	defer tg.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(tg.attempts), func(a telegramtest.Attempt) bool { return !so(a) })
}

// triesOf returns the attempts so far to deliver an update.
func (tg *telegram) triesOf(id int64) []telegramtest.Attempt {
	return tg.tries(func(a telegramtest.Attempt) bool { return a.UpdateID == id })
}

// await returns once there was an attempt that is so.
func (tg *telegram) await(what string, so func(telegramtest.Attempt) bool) {
	tg.t.Helper()
	eventually(tg.t, what, func() bool {
		tg.mu.Lock()
		defer tg.mu.Unlock()
		return slices.ContainsFunc(tg.attempts, so)
	})
}

// statuses counts the attempts by status; 0 is a connection without an answer.
func (tg *telegram) statuses() map[int]int {
	tg.mu.Lock()
	defer tg.mu.Unlock()
	counts := make(map[int]int)
	for _, a := range tg.attempts {
		counts[a.Status]++
	}
	return counts
}

// mustHaveSeenOnly checks that Telegram got no other status than these.
func (tg *telegram) mustHaveSeenOnly(statuses ...int) {
	tg.t.Helper()
	for status, n := range tg.statuses() {
		if !slices.Contains(statuses, status) {
			tg.t.Errorf("%d genuine updates were answered %d", n, status)
		}
	}
}

// forger knows the webhook's address and not its secret.
type forger struct {
	caddy  *caddy
	client *http.Client
}

// forgeries are the secret headers of forged requests.
var forgeries = [][]string{
	nil,
	{""},
	{"wrong_0123456789-abcdefghijklmnopqrst"},
	{secret[:len(secret)-1]},
	{secret + "x"},
	{"wrong", "wrong"},
}

func newForger(c *caddy) *forger {
	transport := &http.Transport{DialContext: c.dial, TLSClientConfig: c.tls()}
	c.t.Cleanup(transport.CloseIdleConnections)
	return &forger{c, &http.Client{Transport: transport, Timeout: patience}}
}

// post sends a forged update and returns the answer's status and body.
func (f *forger) post(secrets []string) (int, string, error) {
	update := bytes.NewReader(telegramtest.Message(1, 1, "say I was never here"))
	req, err := http.NewRequest(http.MethodPost, f.caddy.url(forgedPath), update)
	if err != nil {
		return 0, "", err
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header["X-Telegram-Bot-Api-Secret-Token"] = secrets
	resp, err := f.client.Do(req)
	if err != nil {
		return 0, "", err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	return resp.StatusCode, string(body), err
}
