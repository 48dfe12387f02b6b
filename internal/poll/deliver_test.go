package poll

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/caddy-telegram/telegramwebhook/internal/storagetest"
	"github.com/caddy-telegram/telegramwebhook/internal/telegram"
	"github.com/caddy-telegram/telegramwebhook/internal/telegramtest"
)

// TestOrder has chats side by side, and the updates of a chat one after the other.
func TestOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := run(t, newBot(func(int, telegram.Update) *telegram.Answer {
			time.Sleep(10 * time.Second)
			return ok()
		}))
		n.send(1, 5, 5, 6, 5, 7)
		settle(time.Minute)
		equal(t, "got", n.bot.got(), "1@0 3@0 5@0 2@10 4@20")
		equal(t, "pending", n.pending(), 0)
	})
}

// TestMaxConnections bounds how many deliveries are under way.
func TestMaxConnections(t *testing.T) {
	for limit, want := range map[int]int{0: telegram.DefaultMaxConnections, 1: 1, 7: 7} {
		synctest.Test(t, func(t *testing.T) {
			n := newNode(t, "a", newAPI(t), storagetest.NewMemory(), newBot(func(int, telegram.Update) *telegram.Answer {
				time.Sleep(time.Second)
				return ok()
			}))
			for i := range int64(60) {
				n.send(1+i, 1+i)
			}
			n.config.MaxConnections = limit
			n.Serve(n.config)
			settle(61 * time.Second)
			equal(t, "most at once", n.bot.most, want)
			equal(t, "pending", n.pending(), 0)
		})
	}
}

// TestSchedule tries again when Telegram does.
func TestSchedule(t *testing.T) {
	for name, tc := range map[string]struct {
		header []string
		want   string
	}{
		"growing":     {nil, "1@0 1@0 1@2 1@6 1@14 1@30 1@62"},
		"retry after": {[]string{"Retry-After", "5"}, "1@0 1@5 1@10 1@15 1@20 1@25 1@30"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n := run(t, newBot(func(try int, u telegram.Update) *telegram.Answer {
					if u.ID == 1 && try < 6 {
						return failing(503, tc.header...)
					}
					return ok()
				}))
				n.send(1, 5, 5, 6)
				settle(20 * time.Second)
				equal(t, "taken while the first fails", n.bot.has(), "3")
				equal(t, "waiting", n.Status().Waiting, 2)
				settle(time.Minute)
				equal(t, "got", strings.ReplaceAll(n.bot.got(), "3@0 ", ""), tc.want+tc.want[strings.LastIndex(tc.want, " "):][:1]+"2"+tc.want[strings.LastIndex(tc.want, "@"):])
				equal(t, "pending", n.pending(), 0)
				equal(t, "entries and events", []int{n.logged("fetched update not taken"), len(n.bot.events)}, []int{1, 1})
			})
		})
	}
}

// TestScheduleWithoutTelegram goes on with what is fetched while Telegram is away.
func TestScheduleWithoutTelegram(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := run(t, newBot(func(try int, _ telegram.Update) *telegram.Answer {
			if try < 6 {
				return failing(500)
			}
			return ok()
		}))
		n.send(1, 5)
		settle(time.Second)
		n.api.Fail(func(string, map[string]string) *telegramtest.Fault { return &telegramtest.Fault{Cut: true} })
		settle(time.Minute + 2*time.Second)
		equal(t, "tries", n.bot.got(), "1@0 1@0 1@2 1@6 1@14 1@30 1@62")
	})
}

// TestGap confirms nothing behind an update that fails, and repeats nothing that was taken.
func TestGap(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		back := time.Now().Add(10 * time.Minute)
		n := run(t, newBot(func(_ int, u telegram.Update) *telegram.Answer {
			if u.ID == 3 && time.Now().Before(back) {
				return failing(500)
			}
			return ok()
		}))
		n.send(1, 1, 2, 3, 4, 5, 6, 3)
		settle(9 * time.Minute)
		equal(t, "taken", n.bot.has(), "1 2 4 5 6")
		equal(t, "pending", n.pending(), 5)
		equal(t, "waiting", n.Status().Waiting, 2)
		settle(4 * time.Minute)
		equal(t, "taken", n.bot.has(), "1 2 3 4 5 6 7")
		equal(t, "pending", n.pending(), 0)
	})
}

// TestFullWindow has a chat that fails and sends, until nothing else comes from Telegram.
func TestFullWindow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		back := time.Now().Add(15 * time.Minute)
		n := run(t, newBot(func(_ int, u telegram.Update) *telegram.Answer {
			if u.Queue == 5 && time.Now().Before(back) {
				return failing(500)
			}
			return ok()
		}))
		for i := range int64(98) {
			n.send(1+i, 5)
		}
		n.send(99, 6)
		settle(time.Minute)
		equal(t, "taken", n.bot.has(), "99")
		equal(t, "entries before the window is full", n.logged("updates held up by failing updates"), 0)
		for i := range int64(50) {
			n.send(100+i, 5)
		}
		n.send(150, 7)
		settle(10 * time.Minute)
		equal(t, "taken", n.bot.has(), "99")
		equal(t, "entries", n.logged("updates held up by failing updates"), 1)
		if got := n.Status().Waiting; got > 100 {
			t.Errorf("%d updates in memory", got)
		}
		calls := n.api.Calls("getUpdates")
		equal(t, "limit while there is no room", calls[len(calls)-1].Params["limit"], "1")
		settle(15 * time.Minute)
		equal(t, "pending", n.pending(), 0)
		taken, _ := n.bot.count()
		equal(t, "taken", taken, 150)
	})
}

// TestTakenExpires has updates that are taken and expire behind one that fails: they leave
// room for others.
func TestTakenExpires(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := run(t, newBot(func(_ int, u telegram.Update) *telegram.Answer {
			if u.ID == 1 {
				return failing(500)
			}
			return ok()
		}))
		n.send(1, 5)
		for i := range 300 {
			n.api.Send(token, fmt.Appendf(nil, `{"update_id":%d,"inline_query":{"id":"1","from":{"id":%d}}}`, 2+i, i))
			time.Sleep(time.Second)
		}
		settle(time.Minute)
		taken, _ := n.bot.count()
		equal(t, "taken", taken, 300)
	})
}

// TestExpired gives up what Telegram would give up.
func TestExpired(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := run(t, newBot(func(int, telegram.Update) *telegram.Answer { return failing(500) }))
		n.api.Send(token, []byte(`{"update_id":1,"inline_query":{"id":"1","from":{"id":5}}}`))
		n.api.Send(token, []byte(`{"update_id":2,"callback_query":{"id":"2","from":{"id":5}}}`))
		n.api.Send(token, fmt.Appendf(nil, `{"update_id":3,"message":{"chat":{"id":5},"date":%d}}`, time.Now().Add(-24*time.Hour+10*time.Minute).Unix()))
		for _, step := range []struct {
			after   time.Duration
			expired int
		}{{25 * time.Second, 0}, {10 * time.Second, 1}, {2 * time.Minute, 2}, {5 * time.Minute, 2}, {5 * time.Minute, 3}} {
			settle(step.after)
			equal(t, "expired", n.logged("fetched update expired"), step.expired)
		}
		equal(t, "waiting", n.Status().Waiting, 0)
		equal(t, "pending", n.pending(), 0)
	})
}

// TestExpiredInLine gives up an update that is too old when its turn comes.
func TestExpiredInLine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := run(t, newBot(func(int, telegram.Update) *telegram.Answer {
			time.Sleep(31 * time.Second)
			return ok()
		}))
		n.api.Send(token, []byte(`{"update_id":1,"inline_query":{"id":"1","from":{"id":5}}}`))
		n.api.Send(token, []byte(`{"update_id":2,"inline_query":{"id":"2","from":{"id":5}}}`))
		settle(2 * time.Minute)
		equal(t, "got", n.bot.got(), "1@0")
		equal(t, "expired", n.logged("fetched update expired"), 1)
	})
}

// TestMethodInAnswer calls the methods that a bot's answers ask for, and no others.
func TestMethodInAnswer(t *testing.T) {
	const file = "--b\r\nContent-Disposition: form-data; name=\"method\"\r\n\r\nsendPhoto\r\n" +
		"--b\r\nContent-Disposition: form-data; name=\"photo\"; filename=\"p.png\"\r\n\r\n\x00\xffpng\r\n--b--\r\n"
	for name, tc := range map[string]struct {
		status                    int
		method, contentType, body string
		calls                     int
	}{
		"JSON":       {200, "sendMessage", "application/json; charset=utf-8", `{"method":"sendMessage","chat_id":5,"text":"planted text"}`, 1},
		"form":       {204, "sendMessage", "application/x-www-form-urlencoded", `method=sendMessage&chat_id=5&text=planted+text`, 1},
		"multipart":  {200, "sendPhoto", "multipart/form-data; boundary=b", file, 1},
		"not run":    {200, "getMe", "application/json", `{"method":"getMe"}`, 0},
		"setWebhook": {200, "setWebhook", "application/json", `{"method":"setWebhook"}`, 0},
		"a path":     {200, "sendMessage/../getMe", "application/json", `{"method":"sendMessage/../getMe"}`, 0},
		"a token":    {200, token, "application/json", `{"method":"` + token + `"}`, 0},
		"a 500":      {500, "sendMessage", "application/json", `{"method":"sendMessage"}`, 0},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n := run(t, newBot(func(int, telegram.Update) *telegram.Answer {
					a := failing(tc.status, "Content-Type", tc.contentType)
					a.Body, a.Method = []byte(tc.body), tc.method
					return a
				}))
				result := `{"ok":true,"result":{"message_id":1}}`
				n.api.Fail(func(method string, _ map[string]string) *telegramtest.Fault {
					if strings.HasPrefix(method, "send") {
						return &telegramtest.Fault{Status: 200, Body: []byte(result)}
					}
					return nil
				})
				n.send(1, 5)
				settle(time.Second)
				calls := n.api.Calls(tc.method)
				if len(calls) != tc.calls || len(n.api.Calls("getMe"))+len(n.api.Calls("setWebhook")) > 0 {
					t.Fatalf("got %+v", calls)
				}
				if text := fmt.Sprint(n.logs.All()); strings.Contains(text, token) {
					t.Errorf("the token is in the log: %s", text)
				}
				if tc.calls == 0 {
					return
				}
				if tc.method == "sendPhoto" {
					equal(t, "file", string(calls[0].Files["photo"]), "\x00\xffpng")
				} else {
					equal(t, "parameters", calls[0].Params, map[string]string{"method": "sendMessage", "chat_id": "5", "text": "planted text"})
				}
				equal(t, "entries", n.logged("method in the bot's answer failed"), 0)
				result = `{"ok":false,"error_code":400,"description":"Bad Request: chat not found"}`
				n.send(2, 5)
				settle(time.Second)
				equal(t, "pending", n.pending(), 0)
				entries := n.logs.FilterMessage("method in the bot's answer failed").All()
				text := fmt.Sprint(n.logs.All())
				if len(entries) != 1 || !strings.Contains(text, "chat not found") || strings.Contains(text, "planted") {
					t.Errorf("logged: %s", text)
				}
			})
		})
	}
}

// TestPanicOfTheSite has a handler of the site that panics, with a secret in its value.
func TestPanicOfTheSite(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := run(t, newBot(func(try int, _ telegram.Update) *telegram.Answer {
			if try == 0 {
				panic("planted secret")
			}
			return ok()
		}))
		n.send(1, 5)
		settle(time.Second)
		equal(t, "taken", n.bot.has(), "1")
		if text := fmt.Sprint(n.logs.All()); !strings.Contains(text, "panic in the poller") || strings.Contains(text, "planted") {
			t.Errorf("logged: %s", text)
		}
	})
}
