package integration

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/caddy-telegram/telegramwebhook/integration/caddytest"
	"github.com/caddy-telegram/telegramwebhook/internal/telegramtest"
)

// replica is a bot that remembers in which order it got which updates.
type replica struct {
	t       testing.TB
	address string
	server  *http.Server

	mu  sync.Mutex
	got []int64
}

func startReplica(t testing.TB) *replica {
	b := &replica{t: t, address: fmt.Sprintf("127.0.0.1:%d", caddytest.FreePort(t))}
	b.start()
	t.Cleanup(b.stop)
	return b
}

func (b *replica) start() {
	b.t.Helper()
	l, err := net.Listen("tcp", b.address)
	if err != nil {
		b.t.Fatal(err)
	}
	b.server = &http.Server{Handler: b}
	go func() { _ = b.server.Serve(l) }()
}

func (b *replica) stop() { _ = b.server.Close() }

func (b *replica) ServeHTTP(_ http.ResponseWriter, r *http.Request) {
	var u struct {
		ID int64 `json:"update_id"`
	}
	if err := json.NewDecoder(r.Body).Decode(&u); err != nil {
		b.t.Error(err)
	}
	_, _ = io.Copy(io.Discard, r.Body)
	b.mu.Lock()
	defer b.mu.Unlock()
	b.got = append(b.got, u.ID)
}

// has reports whether it got the update, and how many it got.
func (b *replica) has(id int64) (bool, int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, got := range b.got {
		if got == id {
			return true, len(b.got)
		}
	}
	return false, len(b.got)
}

// example runs one of the examples, with the bots in the place of the upstreams
// that it has, and a Telegram that sends to it.
type example struct {
	t        testing.TB
	telegram *telegramtest.Sender
	next     int64
}

func startExample(t testing.TB, name string, bots map[string]*replica, change ...string) *example {
	t.Helper()
	content, err := os.ReadFile("../examples/" + name)
	if err != nil {
		t.Fatal(err)
	}
	port := caddytest.FreePort(t)
	changes := append([]string{
		"bot.example.com", fmt.Sprintf("https://localhost:%d", port), "TELEGRAM_WEBHOOK_SECRET", "TELEGRAM_SECRET",
	}, change...)
	for upstream, bot := range bots {
		changes = append(changes, upstream, bot.address)
	}
	c := caddytest.Start(t, caddytest.Globals()+strings.NewReplacer(changes...).Replace(string(content)))
	e := &example{t: t, telegram: telegramtest.NewSender(telegramtest.Webhook{
		URL: fmt.Sprintf("https://localhost:%d/", port), Secret: caddytest.RightSecret, RootCAs: c.Roots(),
	}, telegramtest.Options{
		After: func(d time.Duration) <-chan time.Time { return time.After(d / 100) },
	})}
	t.Cleanup(e.telegram.Close)
	return e
}

// deliver delivers an update under an id of its own, which it returns.
func (e *example) deliver(update []byte) int64 {
	e.t.Helper()
	e.next++
	var id int64
	if _, err := fmt.Sscanf(string(update), `{"update_id":%d`, &id); err != nil {
		e.t.Fatalf("%v in %.50q", err, update)
	}
	numbered := strings.Replace(string(update), fmt.Sprint(id), fmt.Sprint(e.next), 1)
	e.telegram.Send([]byte(numbered))
	ctx, cancel := context.WithTimeout(e.t.Context(), caddytest.Patience)
	defer cancel()
	if err := e.telegram.Wait(ctx); err != nil {
		e.t.Fatalf("%v: %+v", err, e.telegram.Stats())
	}
	return e.next
}

// send delivers an update and returns which of the bots got it.
func (e *example) send(update []byte, bots ...*replica) *replica {
	e.t.Helper()
	id := e.deliver(update)
	var by *replica
	for _, b := range bots {
		if has, _ := b.has(id); has && by != nil {
			e.t.Errorf("two bots have got update %d", id)
		} else if has {
			by = b
		}
	}
	if by == nil {
		e.t.Fatalf("no bot has got update %d", id)
	}
	return by
}

// TestExampleByType sends an update of every type to the examples that part them
// by type.
func TestExampleByType(t *testing.T) {
	t.Parallel()
	for name, apart := range map[string]map[string]bool{
		"payments.Caddyfile":       {"pre_checkout_query": true, "shipping_query": true},
		"inline-queries.Caddyfile": {"inline_query": true, "chosen_inline_result": true},
	} {
		t.Run(name, func(t *testing.T) {
			common, own, own2 := startReplica(t), startReplica(t), startReplica(t)
			e := startExample(t, name, map[string]*replica{"127.0.0.1:8080": common, "127.0.0.1:8081": own, "127.0.0.1:8082": own2})
			for kind, update := range telegramtest.Updates() {
				if by := e.send(update, common, own, own2); (by != common) != apart[kind] {
					t.Errorf("%s goes to the bot's own place: %v", kind, by == common)
				}
			}
			own.stop()
			for kind := range apart {
				if by := e.send(telegramtest.Updates()[kind], common, own, own2); name == "payments.Caddyfile" && by != common {
					t.Errorf("%s does not go to the bot while its own process is away", kind)
				}
			}
		})
	}
}

// TestExampleABTest parts users by their id.
func TestExampleABTest(t *testing.T) {
	t.Parallel()
	common, fifth := startReplica(t), startReplica(t)
	e := startExample(t, "ab-test.Caddyfile", map[string]*replica{"127.0.0.1:8080": common, "127.0.0.1:8081": fifth})
	for user := range 40 {
		update := fmt.Appendf(nil, `{"update_id":1,"message":{"chat":{"id":%d},"from":{"id":%d}}}`, -user-1, 7120045500+user)
		if by := e.send(update, common, fifth); (by == fifth) != (user%10 < 2) {
			t.Errorf("user %d gets the new version: %v", 7120045500+user, by == fifth)
		}
	}
	if by := e.send(telegramtest.Updates()["poll"], common, fifth); by != common {
		t.Error("what is of no user gets the new version")
	}
}

// TestExampleOnlyMe sends an update of every type, and messages of a stranger and of one
// whose id begins with another's. Telegram takes all of them for delivered at the first
// try, and the bot gets only those of its users.
func TestExampleOnlyMe(t *testing.T) {
	t.Parallel()
	bot := startReplica(t)
	e := startExample(t, "only-me.Caddyfile", map[string]*replica{"127.0.0.1:8080": bot},
		"bot_token {env.TELEGRAM_BOT_TOKEN}", "secret {env.TELEGRAM_SECRET}")
	noUser := []string{
		"channel_post", "edited_channel_post", "message_reaction_count", "poll", "deleted_business_messages",
		"stopped_message_generation",
	}
	for kind, update := range telegramtest.Updates() {
		if has, _ := bot.has(e.deliver(update)); has == slices.Contains(noUser, kind) {
			t.Errorf("%s reaches the bot: %v", kind, has)
		}
	}
	for _, user := range []string{"204536822", "2045368211", "-204536821"} {
		update := `{"update_id":1,"message":{"chat":{"id":204536821},"from":{"id":` + user + `},"text":"204536821"}}`
		if has, _ := bot.has(e.deliver([]byte(update))); has {
			t.Errorf("a message of user %s reaches the bot", user)
		}
	}
	if failed := e.telegram.Stats().Failed; failed > 0 {
		t.Errorf("%d tries have failed", failed)
	}
}

// TestExampleStickyChats has three replicas that keep their conversations in
// memory. One of them goes away and comes back.
func TestExampleStickyChats(t *testing.T) {
	t.Parallel()
	chats, rounds := 60, size(4, 1)
	bots := []*replica{startReplica(t), startReplica(t), startReplica(t)}
	// It is forgotten sooner that one was away, so that the test does not wait long.
	e := startExample(t, "sticky-chats.Caddyfile",
		map[string]*replica{"127.0.0.1:8081": bots[0], "127.0.0.1:8082": bots[1], "127.0.0.1:8083": bots[2]},
		"fail_duration 10s", "fail_duration 1s")
	chat := func(n int) []byte { return telegramtest.Message(1, int64(n)-1001000000000, "hello") }
	query := func(n int) []byte {
		return fmt.Appendf(nil, `{"update_id":1,"inline_query":{"id":"1","from":{"id":%d}}}`, 7120045500+n)
	}
	where := make(map[string]*replica)
	number := make(map[*replica]int)
	look := func(name string, update []byte) *replica {
		by := e.send(update, bots...)
		if where[name] == nil {
			where[name] = by
			number[by]++
		}
		return by
	}
	round := func(check func(name string, by *replica)) {
		for n := range chats {
			for name, update := range map[string][]byte{fmt.Sprint("chat ", n): chat(n), fmt.Sprint("user ", n): query(n)} {
				check(name, look(name, update))
			}
		}
	}
	for range rounds {
		round(func(name string, by *replica) {
			if by != where[name] {
				t.Errorf("%s has moved", name)
			}
		})
	}
	for i, b := range bots {
		if number[b] < chats/4 {
			t.Errorf("replica %d has %d of %d chats and users", i, number[b], 2*chats)
		}
	}
	e.send(telegramtest.Updates()["poll"], bots...) // has neither

	gone := bots[1]
	gone.stop()
	moved := make(map[string]*replica)
	for range rounds {
		round(func(name string, by *replica) {
			switch {
			case where[name] != gone && by != where[name]:
				t.Errorf("%s has moved although its replica is there", name)
			case where[name] == gone && moved[name] != nil && by != moved[name]:
				t.Errorf("%s has moved twice", name)
			case where[name] == gone:
				moved[name] = by
			}
		})
	}
	// A try may fail, if it goes to a connection that the replica just closes.
	t.Logf("of %d chats and users %d were with the replica that went away, and only they have moved; %d tries have failed",
		2*chats, len(moved), e.telegram.Stats().Failed)
	if len(moved) != number[gone] {
		t.Errorf("%d have moved, want %d", len(moved), number[gone])
	}

	gone.start()
	var name string
	for name = range moved {
		break
	}
	kind, n := "", 0
	_, _ = fmt.Sscanf(name, "%s %d", &kind, &n)
	update := chat(n)
	if kind == "user" {
		update = query(n)
	}
	caddytest.WaitUntil(t, "it goes back", func() bool { return e.send(update, bots...) == gone })
	round(func(name string, by *replica) {
		if by != where[name] {
			t.Errorf("%s is elsewhere after its replica has come back", name)
		}
	})
}

// TestExampleSlowBot runs, and answers the second time from memory.
func TestExampleSlowBot(t *testing.T) {
	t.Parallel()
	bot := startReplica(t)
	e := startExample(t, "slow-bot.Caddyfile", map[string]*replica{"127.0.0.1:8080": bot})
	e.send(telegramtest.Message(1, 1, "hello"), bot)
	e.telegram.Send(telegramtest.Message(1, 1, "hello"))
	ctx, cancel := context.WithTimeout(t.Context(), caddytest.Patience)
	defer cancel()
	if err := e.telegram.Wait(ctx); err != nil {
		t.Fatal(err)
	}
	if _, n := bot.has(1); n != 1 {
		t.Errorf("the bot has got %d updates, want 1", n)
	}
}
