package integration

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/caddy-telegram/telegramwebhook/integration/caddytest"
	"github.com/caddy-telegram/telegramwebhook/internal/telegramtest"
)

// countingBot counts how often it gets each update, and answers a method.
type countingBot struct {
	address string
	before  func(r *http.Request) // it answers

	mu  sync.Mutex
	got map[int64]int
}

func startCountingBot(t testing.TB) *countingBot {
	b := &countingBot{before: func(*http.Request) {}, got: make(map[int64]int)}
	b.address = caddytest.StartBot(t, func(w http.ResponseWriter, r *http.Request) {
		var u struct {
			ID int64 `json:"update_id"`
		}
		if err := json.NewDecoder(r.Body).Decode(&u); err != nil {
			t.Error(err)
		}
		_, _ = io.Copy(io.Discard, r.Body)
		b.mu.Lock()
		b.got[u.ID]++
		b.mu.Unlock()
		b.before(r)
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, caddytest.MethodBody)
	})
	return b
}

func (b *countingBot) calls(id int64) int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.got[id]
}

func (b *countingBot) want(t *testing.T, when string, id int64, calls int) {
	t.Helper()
	if n := b.calls(id); n != calls {
		t.Errorf("%s: the bot has got update %d %d times, want %d", when, id, n, calls)
	}
}

// dedupeSite is a site with a bot. More lines go into the directive's block.
func dedupeSite(admin, port int, bot string, lines ...string) string {
	return strings.Replace(caddytest.Globals(), "admin off", fmt.Sprintf("admin localhost:%d", admin), 1) +
		fmt.Sprintf("https://localhost:%d {\n\ttelegram_webhook {env.TELEGRAM_SECRET} {\n\t\t%s\n\t}\n\treverse_proxy %s\n}\n", port, strings.Join(lines, "\n\t\t"), bot)
}

// TestBotSlowerThanTelegramWaits has a bot that is not done when Telegram hangs
// up, nor when the configuration is loaded anew. It gets the update once, and
// Telegram gets one answer, of which it executes the method.
func TestBotSlowerThanTelegramWaits(t *testing.T) {
	t.Parallel()
	bot := startCountingBot(t)
	release := make(chan struct{})
	var canceled atomic.Bool
	bot.before = func(r *http.Request) {
		select {
		case <-release:
		case <-r.Context().Done():
			canceled.Store(true)
		}
	}
	admin, port := caddytest.FreePort(t), caddytest.FreePort(t)
	c := caddytest.Start(t, dedupeSite(admin, port, bot.address, "dedupe"))
	tries := make(chan telegramtest.Attempt, 100)
	telegram := telegramtest.NewSender(telegramtest.Webhook{
		URL: fmt.Sprintf("https://localhost:%d/", port), Secret: caddytest.RightSecret, RootCAs: c.Roots(),
	}, telegramtest.Options{
		ReadTimeout: 300 * time.Millisecond,
		After:       func(time.Duration) <-chan time.Time { return time.After(20 * time.Millisecond) },
		OnAttempt:   func(a telegramtest.Attempt) { tries <- a },
	})
	defer telegram.Close()
	telegram.Send(telegramtest.Message(1, 1, "hello"))
	// A busy machine may take more than one try to get so far.
	caddytest.WaitUntil(t, "the bot has got it", func() bool { return bot.calls(1) > 0 })
	for len(tries) > 0 {
		<-tries
	}
	for n := range 3 {
		for caddytest.Within(t, "Telegram is told to come later", tries).Status != http.StatusServiceUnavailable {
		}
		caddytest.Load(t, admin, dedupeSite(admin, port, bot.address, "dedupe", fmt.Sprintf("retry_after %ds", n+1)))
	}
	bot.want(t, "while it works", 1, 1)
	close(release)
	for a := range tries {
		if !a.Delivered {
			continue
		}
		if a.Call == nil || string(a.Body) != caddytest.MethodBody || a.Header.Get("Strict-Transport-Security") != defaultHSTS {
			t.Errorf("try %d got %q, HSTS %q", a.Try, a.Body, a.Header.Get("Strict-Transport-Security"))
		}
		break
	}
	bot.want(t, "in the end", 1, 1)
	if canceled.Load() {
		t.Error("the bot's request was canceled")
	}
	if n := telegram.Stats().Calls; n != 1 {
		t.Errorf("Telegram has executed %d methods, want 1", n)
	}
	c.Out.Wait(t, `"reason":"closed"`)
	c.Out.Wait(t, `"reason":"in_flight"`)
}

// TestAnswerThatIsLost cuts the connection when the bot's 200 comes. Telegram's
// next try is answered without the bot, with the method. Others are answered without
// it, also by the next configuration, until one without dedupe has come.
func TestAnswerThatIsLost(t *testing.T) {
	t.Parallel()
	bot := startCountingBot(t)
	admin, port := caddytest.FreePort(t), caddytest.FreePort(t)
	c := caddytest.Start(t, dedupeSite(admin, port, bot.address, "dedupe"))
	var cut atomic.Bool
	tries := make(chan telegramtest.Attempt, 1)
	telegram := telegramtest.NewSender(telegramtest.Webhook{
		URL: fmt.Sprintf("https://localhost:%d/", port), Secret: caddytest.RightSecret, RootCAs: c.Roots(),
	}, telegramtest.Options{
		After:     func(time.Duration) <-chan time.Time { return time.After(time.Millisecond) },
		OnAttempt: func(a telegramtest.Attempt) { tries <- a },
		Dial: func(ctx context.Context, network, address string) (net.Conn, error) {
			conn, err := new(net.Dialer).DialContext(ctx, network, address)
			return &cuttable{Conn: conn, cut: func() bool { return bot.calls(1) > 0 && !cut.Swap(true) }}, err
		},
	})
	defer telegram.Close()
	telegram.Send(telegramtest.Message(1, 1, "hello"))
	if a := caddytest.Within(t, "the connection is cut", tries); a.Status != 0 || a.Delivered {
		t.Fatalf("the first try got %d", a.Status)
	}
	bot.want(t, "after the first try", 1, 1)
	for {
		a := caddytest.Within(t, "Telegram has an answer", tries)
		if !a.Delivered {
			continue // the gate has not noticed yet that the first answer is lost
		}
		if a.Call == nil || string(a.Body) != caddytest.MethodBody {
			t.Errorf("got %d %q", a.Status, a.Body)
		}
		break
	}
	bot.want(t, "after the next", 1, 1)

	send := func(when, body string, calls int) {
		t.Helper()
		got := caddytest.Do(t, c.Client(), genuine(t, fmt.Sprintf("https://localhost:%d/", port), telegramtest.Message(1, 1, "hello")))
		if got.Status != 200 || got.Body != body {
			t.Errorf("%s: got %d %q", when, got.Status, got.Body)
		}
		bot.want(t, when, 1, calls)
	}
	caddytest.Load(t, admin, dedupeSite(admin, port, bot.address, "dedupe 50"))
	send("after a reload", "", 1)
	caddytest.Load(t, admin, dedupeSite(admin, port, bot.address))
	send("without dedupe", caddytest.MethodBody, 2)
	caddytest.Load(t, admin, dedupeSite(admin, port, bot.address, "dedupe"))
	send("with it again, all being forgotten", caddytest.MethodBody, 3)
	send("and again", caddytest.MethodBody, 3)
	send("and from then on", "", 3)
	c.Out.Wait(t, `"reason":"repeated"`)
}

// cuttable is a connection that breaks in the midst of reading.
type cuttable struct {
	net.Conn
	cut func() bool
}

func (c *cuttable) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	if c.cut() {
		_ = c.Close()
		return 0, io.ErrUnexpectedEOF
	}
	return n, err
}

// TestExitWithASlowBot ends Caddy while a bot works on an update on which Telegram
// has hung up: Caddy does not wait for it.
func TestExitWithASlowBot(t *testing.T) {
	t.Parallel()
	bot := startCountingBot(t)
	arrived, canceled := make(chan struct{}, 1), make(chan struct{})
	bot.before = func(r *http.Request) {
		arrived <- struct{}{}
		<-r.Context().Done()
		close(canceled)
	}
	port := caddytest.FreePort(t)
	c := caddytest.Start(t, dedupeSite(caddytest.FreePort(t), port, bot.address, "dedupe"))
	waiting, hangUp := context.WithCancel(t.Context())
	go func() { <-arrived; hangUp() }()
	r := genuine(t, fmt.Sprintf("https://localhost:%d/", port), telegramtest.Message(1, 1, "hello"))
	if resp, err := c.Client().Do(r.WithContext(waiting)); err == nil {
		t.Errorf("got %d", resp.StatusCode)
		resp.Body.Close()
	}
	_ = c.Cmd.Process.Signal(syscall.SIGTERM)
	ended := make(chan error, 1)
	go func() { ended <- c.Cmd.Wait() }()
	if err := caddytest.Within(t, "Caddy ends", ended); err != nil {
		t.Error(err)
	}
	caddytest.Within(t, "the bot's request is canceled", canceled)
}

// TestTwoBotsWithTheSameUpdate has updates of the same id for several bots. None
// is taken for another's, whatever tells the bots apart.
func TestTwoBotsWithTheSameUpdate(t *testing.T) {
	t.Parallel()
	bot := startCountingBot(t)
	_, telegram := caddytest.StartTelegram(t)
	port := caddytest.FreePort(t)
	config := caddytest.Globals() + fmt.Sprintf("https://localhost:%d {\n", port)
	sites := map[string]string{
		"/place": "dedupe", "/other_place": "dedupe", // told apart by where they stand
		"/name": "dedupe\n\t\t\tname one", "/other_name": "dedupe\n\t\t\tname two",
		"/token":       fmt.Sprintf("dedupe\n\t\t\tbot_token {env.TELEGRAM_TOKEN}\n\t\t\tapi %s\n\t\t\turl https://bot.example.com:%d/token", telegram, port),
		"/other_token": fmt.Sprintf("dedupe\n\t\t\tbot_token {env.TELEGRAM_OTHER_TOKEN}\n\t\t\tapi %s\n\t\t\turl https://bot.example.com:%d/other_token", telegram, port),
	}
	for path, lines := range sites {
		config += fmt.Sprintf("\thandle %s {\n\t\ttelegram_webhook {env.TELEGRAM_SECRET} {\n\t\t\t%s\n\t\t}\n\t\treverse_proxy %s\n\t}\n", path, lines, bot.address)
	}
	c := caddytest.Start(t, config+"}\n")
	calls := 0
	for path := range sites {
		calls++
		for range 3 {
			if got := caddytest.Do(t, c.Client(), genuine(t, fmt.Sprintf("https://localhost:%d%s", port, path), telegramtest.Message(1, 1, "hello"))); got.Status != 200 {
				t.Errorf("%s: got %d", path, got.Status)
			}
		}
		bot.want(t, path, 1, calls)
	}
}

// TestUpdatesWithoutID passes on what has no id that it could be known by, as
// often as it comes.
func TestUpdatesWithoutID(t *testing.T) {
	t.Parallel()
	var calls atomic.Int64
	bot := caddytest.StartBot(t, func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		calls.Add(1)
	})
	port := caddytest.FreePort(t)
	c := caddytest.Start(t, dedupeSite(caddytest.FreePort(t), port, bot, "dedupe"))
	url := fmt.Sprintf("https://localhost:%d/", port)
	for i, body := range []string{"hello", "{}", `{"update_id":"1"}`, `{"update_id":1}}`} {
		for range 2 {
			if got := caddytest.Do(t, c.Client(), genuine(t, url, []byte(body))); got.Status != 200 {
				t.Errorf("%s: got %d", body, got.Status)
			}
		}
		if n := calls.Load(); n != int64(2*i+2) {
			t.Errorf("%s: the bot has got %d, want %d", body, n, 2*i+2)
		}
	}
	r := genuine(t, url, telegramtest.Message(1, 1, strings.Repeat("x", 1<<20)))
	r.ContentLength = -1
	if got := caddytest.Do(t, c.Client(), r); got.Status != http.StatusRequestEntityTooLarge {
		t.Errorf("a body that is too long: got %d, want 413", got.Status)
	}
}

// TestBotThatAnswersEarly answers before it has read the update, which the proxy
// still sends then, while others ask what the update is.
func TestBotThatAnswersEarly(t *testing.T) {
	t.Parallel()
	bot := caddytest.StartBot(t, func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, caddytest.MethodBody)
		_ = http.NewResponseController(w).Flush()
	})
	port := caddytest.FreePort(t)
	c := caddytest.Start(t, caddytest.Globals()+fmt.Sprintf(`https://localhost:%[1]d {
	log
	log_append update {http.telegram_webhook.update_id}
	handle /once {
		telegram_webhook {env.TELEGRAM_SECRET} {
			dedupe
		}
		reverse_proxy %[2]s
	}
	handle {
		telegram_webhook {env.TELEGRAM_SECRET}
		reverse_proxy %[2]s
	}
}
`, port, bot))
	client := c.Client()
	for id := range int64(size(100, 10)) {
		for _, path := range []string{"once", "often"} {
			// Whether the bot's connection breaks before its answer is read is a
			// matter of luck.
			caddytest.Do(t, client, genuine(t, fmt.Sprintf("https://localhost:%d/%s", port, path), telegramtest.Message(id, 1, strings.Repeat("x", 200<<10))))
		}
	}
	c.Stop()
	if strings.Contains(c.Out.String(), "DATA RACE") {
		t.Errorf("%s", c.Out)
	}
}
