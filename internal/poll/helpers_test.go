package poll

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/caddyserver/certmagic"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/caddy-telegram/telegramwebhook/internal/botapi"
	"github.com/caddy-telegram/telegramwebhook/internal/storage"
	"github.com/caddy-telegram/telegramwebhook/internal/storagetest"
	"github.com/caddy-telegram/telegramwebhook/internal/telegram"
	"github.com/caddy-telegram/telegramwebhook/internal/telegramtest"
)

const (
	token    = "123456789:" + "test_token_for_loopback_only_0000000"
	botKey   = "telegram_webhook/1"
	storeKey = botKey + "/poll.json"
)

// bot is a webhook that notes what it gets.
type bot struct {
	answer func(try int, u telegram.Update) *telegram.Answer // nil for 200; try counts from 0 for each update

	mu     sync.Mutex
	tries  map[int64]int
	begun  []string // "id@seconds since the bot was made"
	taken  []int64
	now    int // deliveries under way
	most   int
	events []string
	since  time.Time
}

func newBot(answer func(try int, u telegram.Update) *telegram.Answer) *bot {
	return &bot{answer: answer, tries: make(map[int64]int), since: time.Now()}
}

// ok is a bare 200, and failing an answer that does not take the update.
func ok() *telegram.Answer { return &telegram.Answer{Status: 200, Header: http.Header{}} }

func failing(status int, header ...string) *telegram.Answer {
	a := &telegram.Answer{Status: status, Reason: http.StatusText(status), Header: http.Header{}}
	for i := 0; i < len(header); i += 2 {
		a.Header.Set(header[i], header[i+1])
	}
	return a
}

func (b *bot) Deliver(body []byte) *telegram.Answer {
	u := telegram.ParseUpdate(string(body))
	b.mu.Lock()
	try := b.tries[u.ID]
	b.tries[u.ID]++
	b.begun = append(b.begun, fmt.Sprintf("%d@%.0f", u.ID, time.Since(b.since).Seconds()))
	b.now++
	b.most = max(b.most, b.now)
	b.mu.Unlock()
	a := failing(0) // should it panic
	defer func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		b.now--
		if a.Delivered() {
			b.taken = append(b.taken, u.ID)
		}
	}()
	if b.answer == nil {
		a = ok()
	} else {
		a = b.answer(try, u)
	}
	return a
}

func (b *bot) Emit(event string, _ map[string]any) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.events = append(b.events, event)
}

// second orders tries by time, and those of the same second by id.
func second(try string) string {
	id, at, _ := strings.Cut(try, "@")
	return fmt.Sprintf("%6s %6s", at, id)
}

// got returns the tries so far, and has those that were taken, in the order of their ids.
func (b *bot) got() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	begun := slices.Clone(b.begun)
	slices.SortStableFunc(begun, func(x, y string) int { return cmp.Compare(second(x), second(y)) })
	return strings.Join(begun, " ")
}

// count returns how many updates were taken, repetitions included, and of how many tries.
func (b *bot) count() (taken, tries int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.taken), len(b.begun)
}

func (b *bot) has() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return strings.Trim(fmt.Sprint(slices.Sorted(slices.Values(b.taken))), "[]")
}

// node is a poller of a process of its own.
type node struct {
	*Poller
	config Config
	api    *telegramtest.API
	bot    *bot
	logs   *observer.ObservedLogs
}

func newAPI(t *testing.T) *telegramtest.API {
	t.Helper()
	api := telegramtest.NewAPI(telegramtest.APIOptions{NoDelivery: true})
	t.Cleanup(api.Close)
	return api
}

// newNode makes a poller that does nothing yet. It stops with the test, if not before.
func newNode(t *testing.T, name string, api *telegramtest.API, module certmagic.Storage, b *bot) *node {
	t.Helper()
	account, err := botapi.NewAccount(token, "", false)
	if err != nil {
		t.Fatal(err)
	}
	core, logs := observer.New(zap.InfoLevel)
	n := &node{New(), Config{
		Webhook: b, API: botapi.NewClient(account, api), Prefix: botKey, Process: name, Logger: zap.New(core),
		Storage: &storage.Storage{Module: module, Health: new(storage.Health), Logger: zap.New(core)},
	}, api, b, logs}
	t.Cleanup(n.end)
	return n
}

// run starts a node of its own.
func run(t *testing.T, b *bot) *node {
	t.Helper()
	n := newNode(t, "a", newAPI(t), storagetest.NewMemory(), b)
	n.Serve(n.config)
	return n
}

func (n *node) end() {
	n.Stop()
	n.Wait(context.Background())
}

// send lets messages happen: one for each chat, with ids from 1 on or after those before.
func (n *node) send(first int64, chats ...int64) {
	for i, chat := range chats {
		n.api.Send(token, telegramtest.Message(first+int64(i), chat, "hello"))
	}
}

func (n *node) want(t *testing.T, state string) {
	t.Helper()
	if got := n.Status(); got.State != state {
		t.Errorf("%s is %q (%s), want %q", n.config.Process, got.State, got.Detail, state)
	}
}

func (n *node) logged(message string) int { return n.logs.FilterMessage(message).Len() }

func (n *node) calls() int { return len(n.api.Calls("getUpdates")) }

// pending counts the updates that Telegram has not seen confirmed.
func (n *node) pending() int { return n.api.Sender(token).Stats().Pending }

func equal(t *testing.T, what string, got, want any) {
	t.Helper()
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("%s: got %v, want %v", what, got, want)
	}
}

// settle lets everything that is under way come to rest.
func settle(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

// query calls getUpdates as a program of somebody else does.
func query(api *telegramtest.API, offset, timeout int) (status int, updates []json.RawMessage) {
	request, _ := http.NewRequest(http.MethodGet, fmt.Sprintf("https://api.telegram.org/bot%s/getUpdates?offset=%d&timeout=%d", token, offset, timeout), nil)
	response, err := api.RoundTrip(request)
	if err != nil {
		return 0, nil
	}
	defer response.Body.Close()
	var answer struct{ Result []json.RawMessage }
	_ = json.NewDecoder(response.Body).Decode(&answer)
	return response.StatusCode, answer.Result
}
