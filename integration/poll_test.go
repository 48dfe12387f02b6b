package integration

import (
	"encoding/json"
	"fmt"
	"io"
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

// polledBot is a bot in webhook mode. It keeps what it gets, chat by chat.
type polledBot struct {
	address string

	mu      sync.Mutex
	chats   map[int64][]int64 // ids of the updates that it has taken
	headers []http.Header
	answer  func(w http.ResponseWriter, chat, id int64) // nil to take everything
}

func startPolledBot(t testing.TB) *polledBot {
	b := &polledBot{chats: make(map[int64][]int64)}
	b.address = caddytest.StartBot(t, func(w http.ResponseWriter, r *http.Request) {
		var u struct {
			UpdateID int64 `json:"update_id"`
			Message  struct{ Chat struct{ ID int64 } }
		}
		content, err := io.ReadAll(r.Body)
		if err != nil || json.Unmarshal(content, &u) != nil {
			return
		}
		b.mu.Lock()
		answer := b.answer
		b.headers = append(b.headers, r.Header)
		b.mu.Unlock()
		recorded := &statusWriter{ResponseWriter: w, status: http.StatusOK}
		if answer != nil {
			answer(recorded, u.Message.Chat.ID, u.UpdateID)
		}
		if recorded.status == http.StatusOK {
			b.mu.Lock()
			defer b.mu.Unlock()
			b.chats[u.Message.Chat.ID] = append(b.chats[u.Message.Chat.ID], u.UpdateID)
		}
	})
	return b
}

type statusWriter struct {
	http.ResponseWriter
	status int
}

func (w *statusWriter) WriteHeader(status int) {
	w.status = status
	w.ResponseWriter.WriteHeader(status)
}

// taken is how many different updates the bot has taken.
func (b *polledBot) taken() (n int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, ids := range b.chats {
		sorted := slices.Clone(ids)
		slices.Sort(sorted)
		n += len(slices.Compact(sorted))
	}
	return n
}

// inOrder reports an update that came before an earlier one of its chat. One may come again.
func (b *polledBot) inOrder(t testing.TB) {
	t.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	for chat, ids := range b.chats {
		for i, id := range ids {
			if i > 0 && id < slices.Max(ids[:i]) && !slices.Contains(ids[:i], id) {
				t.Errorf("chat %d: %d came late: %v", chat, id, ids)
			}
		}
	}
}

// sendRounds queues an update for each of several chats, and that several times. Their ids
// follow the one given, and the last one is returned.
func sendRounds(api *telegramtest.API, chats, rounds int, id int64) (last int64) {
	for range rounds {
		for chat := range chats {
			id++
			api.Send(caddytest.BotToken, telegramtest.Message(id, int64(chat)+1, "hello"))
		}
	}
	return id
}

// pollSite is a site whose bot's updates are fetched.
func pollSite(admin, port int, api, bot string, lines ...string) string {
	return fmt.Sprintf(`{
	admin localhost:%d
	skip_install_trust
	auto_https disable_redirects
	metrics
}
https://localhost:%d {
	log
	telegram_webhook {
		bot_token {env.TELEGRAM_TOKEN}
		api %s
		poll
		%s
	}
	reverse_proxy %s
}
`, admin, port, api, strings.Join(lines, "\n\t\t"), bot)
}

// TestPoll fetches updates for a bot in webhook mode. Nobody outside can send any.
func TestPoll(t *testing.T) {
	t.Parallel()
	api, address := caddytest.StartTelegram(t)
	bot := startPolledBot(t)
	failed := make(map[int64]bool)
	var mu sync.Mutex
	bot.answer = func(w http.ResponseWriter, chat, id int64) {
		mu.Lock()
		defer mu.Unlock()
		switch {
		case id%7 == 0 && !failed[id]:
			failed[id] = true
			w.WriteHeader(http.StatusInternalServerError)
		case id%5 == 0:
			w.Header().Set("Content-Type", "application/json")
			fmt.Fprintf(w, `{"method":"sendMessage","chat_id":%d,"text":"to %d"}`, chat, id)
		case id == 33:
			w.Header().Set("Content-Type", "application/json")
			fmt.Fprint(w, `{"method":"setWebhook","url":"https://evil.example.com/"}`)
		}
	}
	sent := int(sendRounds(api, 10, 12, 0))
	admin, port := caddytest.FreePort(t), caddytest.FreePort(t)
	c := caddytest.Start(t, pollSite(admin, port, address, bot.address, "name bot"))
	caddytest.WaitUntil(t, "the bot has taken all", func() bool { return bot.taken() == sent })
	bot.inOrder(t)
	caddytest.WaitUntil(t, "methods in answers are executed", func() bool { return len(api.Calls("sendMessage")) == 24 })
	if n := len(api.Calls("setWebhook")) + len(api.Calls("deleteWebhook")); n > 0 {
		t.Errorf("%d calls that change the webhook", n)
	}
	caddytest.WaitUntil(t, "all is told", func() bool {
		s := state(t, admin, "bot")
		return s.State == "polling" && s.Polling != nil && s.Polling.Waiting == 0 && !s.Polling.FetchedAt.IsZero() && s.Requests["passed"] > uint64(sent)
	})
	for _, want := range []string{
		`caddy_telegram_webhook_polling{name="bot"} 1`,
		`caddy_telegram_webhook_ready{name="bot"} 1`,
		`caddy_telegram_webhook_pending_updates{name="bot"} 0`,
		`caddy_telegram_webhook_last_fetch_timestamp_seconds{name="bot"} `,
		`caddy_telegram_webhook_delivery_duration_seconds_count{code="200",name="bot"} ` + fmt.Sprint(sent),
	} {
		if metrics := caddytest.Metrics(t, admin); !strings.Contains(metrics, want) {
			t.Errorf("no %s in the metrics", want)
		}
	}
	bot.mu.Lock()
	for _, h := range bot.headers {
		if h.Get(caddytest.SecretHeader) != "" || h.Get("Content-Type") != "application/json" {
			t.Fatalf("the bot gets the headers %v", h)
		}
	}
	got := len(bot.headers)
	bot.mu.Unlock()
	for _, secrets := range [][]string{nil, {caddytest.RightSecret}, {"REDACTED"}} {
		if resp := caddytest.Do(t, c.Client(), caddytest.Update(t, fmt.Sprintf("https://localhost:%d/", port), secrets...)); resp.Status != http.StatusForbidden || resp.Body != "" {
			t.Errorf("from outside with the secrets %q: got %d %q", secrets, resp.Status, resp.Body)
		}
	}
	bot.mu.Lock()
	defer bot.mu.Unlock()
	if len(bot.headers) != got {
		t.Error("the bot has got an update from outside")
	}
	if log := c.Out.String(); !strings.Contains(log, `"remote_ip":"127.0.0.1","remote_port":"443"`) || !strings.Contains(log, `"reason":"polling"`) {
		t.Error("the access log does not have the update, or the refusals are not logged")
	}
}

// TestPollSites fetches updates for sites of all kinds.
func TestPollSites(t *testing.T) {
	t.Parallel()
	for name, site := range map[string]string{
		"plain http":       "http://localhost:PORT {\nGATE()\nreverse_proxy BOT\n}",
		"no host":          "http://:PORT {\nGATE()\nreverse_proxy BOT\n}",
		"several hosts":    "http://a.example.com:PORT, http://b.example.com:PORT {\nGATE()\nreverse_proxy BOT\n}",
		"a path":           "https://localhost:PORT {\nhandle /telegram {\nGATE()\nreverse_proxy BOT\n}\nrespond 404\n}",
		"a pattern":        "https://localhost:PORT {\nhandle /telegram/* {\nGATE(url /telegram/one)\nreverse_proxy BOT\n}\nrespond 404\n}",
		"for the server":   "https://localhost:PORT {\nhandle /telegram {\nGATE(url https://bot.example.com/telegram)\nreverse_proxy BOT\n}\nrespond 404\n}",
		"an address":       "http://127.0.0.1:PORT {\nGATE()\nreverse_proxy BOT\n}",
		"by address":       "https://localhost:PORT {\n@tg remote_ip 149.154.160.0/20 127.0.0.1\nhandle @tg {\nGATE()\nreverse_proxy BOT\n}\nrespond 404\n}",
		"a handler behind": "https://localhost:PORT {\nGATE()\nrequest_header X-Chat {http.telegram_webhook.chat_id}\nreverse_proxy BOT\n}",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			api, address := caddytest.StartTelegram(t)
			bot := startPolledBot(t)
			port := caddytest.FreePort(t)
			site = strings.ReplaceAll(expandGates(site, address), "certificate internal", "poll on")
			caddytest.Start(t, caddytest.Globals()+strings.NewReplacer("BOT", bot.address, "PORT", fmt.Sprint(port)).Replace(site)+"\n")
			sent := int(sendRounds(api, 2, 2, 0))
			caddytest.WaitUntil(t, "the bot has taken all", func() bool { return bot.taken() == sent })
			if name == "a handler behind" && bot.headers[0].Get("X-Chat") == "" {
				t.Error("no placeholders")
			}
		})
	}
}

// TestPollThatLeadsElsewhere fetches nothing for an address at which something else answers,
// and Caddy survives what the handlers do.
func TestPollThatLeadsElsewhere(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct{ site, told string }{
		"another handler": {"route {\nrespond 200\nGATE()\n}", "something else answers with status 200"},
		"abort":           {"route {\nabort\nGATE()\n}", "the connection was closed without an answer"},
		"a panic":         {"route {\ntest_panic\nGATE()\n}", "the connection was closed without an answer"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			api, address := caddytest.StartTelegram(t)
			admin, port := caddytest.FreePort(t), caddytest.FreePort(t)
			c := caddytest.Start(t, strings.Replace(caddytest.Globals(), "admin off", fmt.Sprintf("admin localhost:%d", admin), 1)+
				fmt.Sprintf("https://localhost:%d {\n%s\n}\n", port, strings.ReplaceAll(expandGates(tc.site, address), "certificate internal", "poll")))
			sendRounds(api, 1, 1, 0)
			c.Out.Wait(t, tc.told)
			if s := state(t, admin, "123456789"); s.State != "failing" || len(api.Calls("getUpdates")) > 0 {
				t.Errorf("%+v, with %d calls of getUpdates", s, len(api.Calls("getUpdates")))
			}
		})
	}
}

// TestPollForwardsSecret has a bot that checks the secret itself.
func TestPollForwardsSecret(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		lines []string
		want  string
	}{
		"a value":          {[]string{"forward_secret the_bots_own_secret"}, "the_bots_own_secret"},
		"the first secret": {[]string{"secret {env.TELEGRAM_SECRET}", "forward_secret"}, caddytest.RightSecret},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			api, address := caddytest.StartTelegram(t)
			bot := startPolledBot(t)
			caddytest.Start(t, pollSite(caddytest.FreePort(t), caddytest.FreePort(t), address, bot.address, tc.lines...))
			sent := int(sendRounds(api, 1, 1, 0))
			caddytest.WaitUntil(t, "the bot has taken it", func() bool { return bot.taken() == sent })
			if got := bot.headers[0].Get(caddytest.SecretHeader); got != tc.want {
				t.Errorf("the bot gets the secret %q, want %q", got, tc.want)
			}
		})
	}
}

// TestPollAndBack goes from a webhook to polling and back, with updates waiting each time.
func TestPollAndBack(t *testing.T) {
	t.Parallel()
	api, address := caddytest.StartTelegram(t)
	bot := startPolledBot(t)
	admin, port := caddytest.FreePort(t), caddytest.FreePort(t)
	polling := pollSite(admin, port, address, bot.address)
	webhook := strings.Replace(polling, "\t\tpoll\n", "\t\tpoll off\n\t\tcertificate internal\n", 1)
	c := caddytest.Start(t, webhook)
	c.Out.Wait(t, "webhook registered")
	url := api.Webhook(caddytest.BotToken).URL

	// The webhook is never taken away.
	caddytest.Load(t, admin, polling)
	caddytest.WaitUntil(t, "a webhook is in the way", func() bool {
		s := state(t, admin, "123456789")
		return s.State == "failing" && strings.Contains(s.Detail, url) && strings.Contains(s.Advice, "caddy telegram-webhook delete")
	})
	if api.Webhook(caddytest.BotToken).URL != url || len(api.Calls("deleteWebhook")) > 0 {
		t.Error("the webhook was taken away")
	}
	for _, call := range api.Calls("getUpdates") {
		if call.Status == http.StatusOK {
			t.Error("updates were fetched while a webhook is set")
		}
	}
	if code, body := operate(t, admin, http.MethodPost, "123456789/register"); code != http.StatusConflict || !strings.Contains(body, "take poll out") {
		t.Errorf("register: %d %s", code, body)
	}
	out, errs, status := c.CLI("delete", "--yes", "--address", fmt.Sprintf("localhost:%d", admin))
	if status != 0 || out != "123456789: deleted; updates are fetched\n" {
		t.Fatalf("delete: status %d, %s%s", status, out, errs)
	}
	api.Send(caddytest.BotToken, telegramtest.Message(1, 1, "hello"))
	caddytest.WaitUntil(t, "it is fetched", func() bool { return bot.taken() == 1 })
	if s := state(t, admin, "123456789"); s.State != "polling" {
		t.Errorf("after delete: %+v", s)
	}

	// What waits comes by webhook, and delete has left nothing behind.
	bot.mu.Lock()
	bot.answer = func(w http.ResponseWriter, _, _ int64) { w.WriteHeader(http.StatusInternalServerError) }
	bot.mu.Unlock()
	api.Send(caddytest.BotToken, telegramtest.Message(2, 1, "hello"))
	caddytest.WaitUntil(t, "it waits", func() bool { return state(t, admin, "123456789").Polling.Waiting == 1 })
	caddytest.Load(t, admin, webhook)
	caddytest.WaitUntil(t, "it is registered again", func() bool { return state(t, admin, "123456789").State == "registered" })
	bot.mu.Lock()
	bot.answer = nil
	bot.mu.Unlock()
	caddytest.WaitUntil(t, "what waited has come by webhook", func() bool { return bot.taken() == 2 })
	fetches := len(api.Calls("getUpdates"))
	api.Send(caddytest.BotToken, telegramtest.Message(3, 1, "hello"))
	caddytest.WaitUntil(t, "the next one too", func() bool { return bot.taken() == 3 })
	if n := len(api.Calls("getUpdates")); n != fetches {
		t.Errorf("%d more calls of getUpdates", n-fetches)
	}
}

// TestPollReload reloads under traffic: there is never a second poller, and nothing is lost or
// out of order.
func TestPollReload(t *testing.T) {
	t.Parallel()
	api, address := caddytest.StartTelegram(t)
	bot := startPolledBot(t)
	admin, port := caddytest.FreePort(t), caddytest.FreePort(t)
	caddytest.Start(t, pollSite(admin, port, address, bot.address))
	sent := 0
	for n := range size(10, 4) {
		sent = int(sendRounds(api, 5, 2, int64(sent)))
		caddytest.Load(t, admin, pollSite(admin, port, address, bot.address, fmt.Sprintf("max_connections %d", 10+n)))
	}
	caddytest.WaitUntil(t, "the bot has taken all", func() bool { return bot.taken() == sent })
	bot.inOrder(t)
	for _, c := range api.Calls("getUpdates") {
		if c.Status == http.StatusConflict {
			t.Error("there was a second poller")
		}
	}
}

// TestPollKilled kills Caddy while updates are delivered. Some may come twice, none is lost.
func TestPollKilled(t *testing.T) {
	t.Parallel()
	api, address := caddytest.StartTelegram(t)
	bot := startPolledBot(t)
	bot.answer = func(http.ResponseWriter, int64, int64) {
		<-time.After(20 * time.Millisecond) // so that the kill comes in the middle
	}
	c := caddytest.Start(t, pollSite(caddytest.FreePort(t), caddytest.FreePort(t), address, bot.address))
	sent := int(sendRounds(api, 10, 20, 0))
	caddytest.WaitUntil(t, "some are taken", func() bool { return bot.taken() > sent/4 })
	_ = c.Cmd.Process.Kill()
	_ = c.Cmd.Wait()
	if n := bot.taken(); n == sent {
		t.Log("all were taken before the kill")
	}
	c.Start()
	caddytest.WaitUntil(t, "the bot has taken all", func() bool { return bot.taken() == sent })
	bot.inOrder(t)
}

// TestPollStops ends Caddy while a slow bot works: Caddy waits for its answer, and the update
// is not fetched again.
func TestPollStops(t *testing.T) {
	t.Parallel()
	api, address := caddytest.StartTelegram(t)
	bot := startPolledBot(t)
	working, finish := make(chan struct{}, 10), make(chan struct{})
	bot.answer = func(http.ResponseWriter, int64, int64) {
		working <- struct{}{}
		<-finish
	}
	c := caddytest.Start(t, pollSite(caddytest.FreePort(t), caddytest.FreePort(t), address, bot.address))
	sendRounds(api, 1, 1, 0)
	caddytest.Within(t, "the bot works", working)
	stopped := make(chan struct{})
	go func() {
		c.Stop()
		close(stopped)
	}()
	c.Out.Wait(t, "shutting down apps, then terminating")
	select {
	case <-stopped:
		t.Error("Caddy has not waited for the bot")
	default:
	}
	close(finish)
	caddytest.Within(t, "Caddy has ended", stopped)
	c.Start()
	api.Send(caddytest.BotToken, telegramtest.Message(2, 1, "hello"))
	caddytest.WaitUntil(t, "the next one is taken", func() bool { return bot.taken() == 2 })
	if n := len(working); n != 1 {
		t.Errorf("%d more deliveries, want that of the next update alone", n)
	}
}

// TestPollOfTwoNodes has two nodes share storage: one fetches, and when it is killed the other
// one does.
func TestPollOfTwoNodes(t *testing.T) {
	t.Parallel()
	api, address := caddytest.StartTelegram(t)
	bot := startPolledBot(t)
	shared := caddytest.StorageFolder(t)
	var nodes []*caddytest.Process
	var admins []int
	for range 2 {
		admin := caddytest.FreePort(t)
		config := strings.Replace(pollSite(admin, caddytest.FreePort(t), address, bot.address), "{\n", "{\n\tstorage file_system "+shared+"\n", 1)
		nodes, admins = append(nodes, caddytest.Start(t, config)), append(admins, admin)
	}
	states := func() string {
		return state(t, admins[0], "123456789").State + " " + state(t, admins[1], "123456789").State
	}
	caddytest.WaitUntil(t, "one fetches", func() bool { return states() == "polling standby" || states() == "standby polling" })
	sent := int(sendRounds(api, 5, 5, 0))
	caddytest.WaitUntil(t, "the bot has taken all", func() bool { return bot.taken() == sent })
	first := 0
	if states() == "standby polling" {
		first = 1
	}
	_ = nodes[first].Cmd.Process.Kill()
	_ = nodes[first].Cmd.Wait()
	sent = int(sendRounds(api, 5, 1, int64(sent)))
	caddytest.WaitUntil(t, "the other one goes on", func() bool { return bot.taken() == sent })
	bot.inOrder(t)
	for _, c := range api.Calls("getUpdates") {
		if c.Status == http.StatusConflict {
			t.Error("both have fetched")
		}
	}
}

// TestSendByName has the running Caddy hand an update to the bot, whose secret nobody knows.
func TestSendByName(t *testing.T) {
	t.Parallel()
	for _, poll := range []bool{false, true} {
		t.Run(fmt.Sprint("polling: ", poll), func(t *testing.T) {
			t.Parallel()
			api, address := caddytest.StartTelegram(t)
			bot := startPolledBot(t)
			admin, port := caddytest.FreePort(t), caddytest.FreePort(t)
			config := pollSite(admin, port, address, bot.address)
			state := "polling"
			if !poll {
				config, state = strings.Replace(config, "\t\tpoll\n", "\t\tcertificate internal\n", 1), "registered"
			}
			c := caddytest.Start(t, config)
			stateOf := func() string { return stateOf(t, admin) }
			caddytest.WaitUntil(t, "it runs", func() bool { return stateOf() == state })
			args := []string{"send", "--address", fmt.Sprintf("localhost:%d", admin)}
			if out, errs, status := c.CLI(args...); status != 0 || !strings.Contains(out, "answer   200 OK") || !strings.Contains(out, "delivered") {
				t.Errorf("send: status %d, %s%s", status, out, errs)
			}
			if bot.taken() != 1 {
				t.Error("the bot has not got it")
			}
			bot.mu.Lock()
			bot.answer = func(w http.ResponseWriter, _, _ int64) { w.WriteHeader(http.StatusTeapot) }
			bot.mu.Unlock()
			if out, errs, status := c.CLI(append(args, "123456789")...); status != 2 || !strings.Contains(out, "418") {
				t.Errorf("send to a bot that fails: status %d, %s%s", status, out, errs)
			}
			if len(api.Calls("sendMessage")) > 0 {
				t.Error("a method was called")
			}
		})
	}
}

func stateOf(t testing.TB, admin int) string {
	t.Helper()
	return state(t, admin, "123456789").State
}

// TestSendToName sends to names that mean something else in a path.
func TestSendToName(t *testing.T) {
	t.Parallel()
	for _, name := range []string{".", "..", "a.b", "send"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, address := caddytest.StartTelegram(t)
			bot := startPolledBot(t)
			admin := caddytest.FreePort(t)
			c := caddytest.Start(t, pollSite(admin, caddytest.FreePort(t), address, bot.address, "name "+name))
			c.Out.Wait(t, "fetching updates")
			if out, errs, status := c.CLI("send", "--address", fmt.Sprintf("localhost:%d", admin), name); status != 0 || bot.taken() != 1 {
				t.Errorf("status %d, %s%s", status, out, errs)
			}
		})
	}
}

// TestPollFromOutside compares what a stranger sees of a site that polls with what he sees of
// one that has a webhook.
func TestPollFromOutside(t *testing.T) {
	t.Parallel()
	_, address := caddytest.StartTelegram(t)
	bot := startPolledBot(t)
	var seen [2][]string
	for i, site := range []string{"poll", "certificate internal"} {
		port := caddytest.FreePort(t)
		config := strings.Replace(pollSite(caddytest.FreePort(t), port, address, bot.address, "secret {env.TELEGRAM_SECRET}"), "\t\tpoll\n", "\t\t"+site+"\n", 1)
		if i == 1 {
			config = strings.Replace(config, "TELEGRAM_TOKEN", "TELEGRAM_OTHER_TOKEN", 1)
		}
		client := caddytest.Start(t, config).Client()
		for _, method := range []string{http.MethodPost, http.MethodGet, http.MethodHead, http.MethodOptions} {
			for _, path := range []string{"/", "//", "/x", "/%2e%2e/"} {
				for _, secrets := range [][]string{nil, {""}, {"REDACTED"}, {caddytest.ForgedSecret}, {caddytest.ForgedSecret, caddytest.ForgedSecret}} {
					r := caddytest.Update(t, fmt.Sprintf("https://localhost:%d%s", port, path), secrets...)
					r.Method = method
					resp := caddytest.Do(t, client, r)
					resp.Header.Del("Date")
					seen[i] = append(seen[i], fmt.Sprint(method, path, secrets, resp.Status, resp.Header, resp.Body))
				}
			}
		}
	}
	for i, polling := range seen[0] {
		if webhook := seen[1][i]; polling != webhook {
			t.Errorf("%s\nwith a webhook: %s", polling, webhook)
		}
	}
}

// TestPollReloadsOfAllKinds changes path and bot under traffic, and fails to load. Updates in
// work may come again when another bot was there meanwhile; none is lost.
func TestPollReloadsOfAllKinds(t *testing.T) {
	t.Parallel()
	api, address := caddytest.StartTelegram(t)
	bot := startPolledBot(t)
	admin, port := caddytest.FreePort(t), caddytest.FreePort(t)
	config := pollSite(admin, port, address, bot.address)
	gate, after, _ := strings.Cut(config, "\ttelegram_webhook {")
	path := gate + "\thandle /telegram {\n\ttelegram_webhook {" + strings.Replace(after, bot.address, bot.address+"\n\t}", 1)
	late := config + fmt.Sprintf("http://192.0.2.1:%d {\n\tbind 192.0.2.1\n}\n", caddytest.FreePort(t))
	other := strings.Replace(config, "{env.TELEGRAM_TOKEN}", "{env.TELEGRAM_OTHER_TOKEN}", 1)
	caddytest.Start(t, config)
	sent := int64(0)
	for range size(3, 1) {
		for _, next := range []string{path, late, other, config} {
			sent = sendRounds(api, 5, 2, sent)
			if next == late {
				if resp := caddytest.TryLoad(t, admin, late); resp.Status == http.StatusOK {
					t.Fatal("what listens on no address of this machine has loaded")
				}
				continue
			}
			caddytest.Load(t, admin, next)
		}
	}
	caddytest.WaitUntil(t, "the bot has taken all", func() bool { return bot.taken() == int(sent) })
	bot.inOrder(t)
}

// TestPollTakesNothingElse has another handler answer 200 in place of the gate, from some
// moment on: no update is taken for that, fetched or sent by hand.
func TestPollTakesNothingElse(t *testing.T) {
	t.Parallel()
	api, address := caddytest.StartTelegram(t)
	bot := startPolledBot(t)
	admin, dir := caddytest.FreePort(t), t.TempDir()
	site := fmt.Sprintf("http://*.example.com:%d {\nroute {\n@m file {\nroot %s\ntry_files maintenance\n}\nrespond @m 200\nGATE()\nreverse_proxy %s\n}\n}\n", caddytest.FreePort(t), dir, bot.address)
	c := caddytest.Start(t, strings.Replace(caddytest.Globals(), "admin off", fmt.Sprintf("admin localhost:%d", admin), 1)+
		strings.ReplaceAll(expandGates(site, address), "certificate internal", "poll"))
	api.Send(caddytest.BotToken, telegramtest.Message(1, 1, "hello"))
	caddytest.WaitUntil(t, "the bot has taken it, on a site with a wildcard", func() bool { return bot.taken() == 1 })
	if err := caddytest.WriteFile(dir+"/maintenance", ""); err != nil {
		t.Fatal(err)
	}
	api.Send(caddytest.BotToken, telegramtest.Message(2, 1, "hello"))
	c.Out.Wait(t, "something else than telegram_webhook has answered with status 200")
	if out, errs, status := c.CLI("send", "--address", fmt.Sprintf("localhost:%d", admin)); status != 2 {
		t.Errorf("send: status %d, %s%s", status, out, errs)
	}
	if err := os.Remove(dir + "/maintenance"); err != nil {
		t.Fatal(err)
	}
	caddytest.WaitUntil(t, "it has come all the same", func() bool { return bot.taken() == 2 })
}

// TestPollTurnedOff registers a webhook while a slow bot works on what was fetched: it is not
// sent again.
func TestPollTurnedOff(t *testing.T) {
	t.Parallel()
	api, address := caddytest.StartTelegram(t)
	bot := startPolledBot(t)
	working, finish := make(chan struct{}, 10), make(chan struct{})
	bot.answer = func(http.ResponseWriter, int64, int64) {
		working <- struct{}{}
		<-finish
	}
	admin, port := caddytest.FreePort(t), caddytest.FreePort(t)
	config := pollSite(admin, port, address, bot.address)
	c := caddytest.Start(t, config)
	sendRounds(api, 3, 1, 0)
	for range 3 {
		caddytest.Within(t, "the bot works", working)
	}
	caddytest.Load(t, admin, strings.Replace(config, "\t\tpoll\n", "\t\tcertificate internal\n", 1))
	close(finish)
	c.Out.Wait(t, "webhook registered")
	sendRounds(api, 1, 1, 3)
	caddytest.WaitUntil(t, "the next one comes by webhook", func() bool { return bot.taken() == 4 })
	if n := len(working); n != 1 {
		t.Errorf("%d deliveries after the change, want that of the next update alone", n)
	}
}

// TestSendIsNotRemembered has an update sent by hand that has the id of a later one.
func TestSendIsNotRemembered(t *testing.T) {
	t.Parallel()
	api, address := caddytest.StartTelegram(t)
	bot := startPolledBot(t)
	admin := caddytest.FreePort(t)
	c := caddytest.Start(t, pollSite(admin, caddytest.FreePort(t), address, bot.address, "dedupe", "forward_secret", "secret {env.TELEGRAM_SECRET}"))
	update := c.File("update.json")
	if err := caddytest.WriteFile(update, string(telegramtest.Message(1, 1, "hello"))); err != nil {
		t.Fatal(err)
	}
	caddytest.WaitUntil(t, "it runs", func() bool { return stateOf(t, admin) == "polling" })
	if out, errs, status := c.CLI("send", "--address", fmt.Sprintf("localhost:%d", admin), "--update", update); status != 0 {
		t.Fatalf("send: status %d, %s%s", status, out, errs)
	}
	sendRounds(api, 1, 1, 0)
	caddytest.WaitUntil(t, "the bot has got both", func() bool {
		bot.mu.Lock()
		defer bot.mu.Unlock()
		return len(bot.chats[1]) == 2
	})
	for _, h := range bot.headers {
		if h.Get(caddytest.SecretHeader) != caddytest.RightSecret {
			t.Errorf("the bot gets the secret %q", h.Get(caddytest.SecretHeader))
		}
	}
}
