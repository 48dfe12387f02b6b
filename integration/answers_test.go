package integration

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"net/textproto"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/caddy-telegram/telegramwebhook/integration/caddytest"
	"github.com/caddy-telegram/telegramwebhook/internal/telegramtest"
)

// TestAnswers sends updates through the real reverse_proxy to bots that do each
// thing that an answer's rules are about.
func TestAnswers(t *testing.T) {
	t.Parallel()
	bot := caddytest.StartBot(t, misbehave)
	dead := fmt.Sprintf("127.0.0.1:%d", caddytest.FreePort(t))
	port := caddytest.FreePort(t)

	var site strings.Builder
	webhook := func(path string, lines ...string) {
		fmt.Fprintf(&site, "\thandle %s {\n\t\ttelegram_webhook {env.TELEGRAM_SECRET}\n\t\t%s\n\t}\n", path, strings.Join(lines, "\n\t\t"))
	}
	webhook("/bot/*", "reverse_proxy "+bot)
	webhook("/slow", "reverse_proxy "+bot+" {", "\ttransport http {", "\t\tresponse_header_timeout 50ms", "\t}", "}")
	webhook("/dead", "reverse_proxy "+dead)
	webhook("/dead_tried", "reverse_proxy "+dead+" {", "\tlb_try_duration 300ms", "\tlb_try_interval 50ms", "}")
	webhook("/dead_and_alive", "reverse_proxy "+dead+" "+bot+" {", "\tlb_policy first", "\tlb_try_duration 5s", "\tfail_duration 30s", "}")
	webhook("/none_healthy", "reverse_proxy "+dead+" {", "\thealth_uri /", "\thealth_interval 1h", "}")
	webhook("/nobody", "header X-Nobody yes")
	webhook("/error", "test_error")
	fmt.Fprintf(&site, "\thandle /off {\n\t\ttelegram_webhook {env.TELEGRAM_SECRET} {\n\t\t\tretry_after off\n\t\t\thsts off\n\t\t}\n\t\treverse_proxy %s\n\t}\n", dead)
	fmt.Fprintf(&site, "\thandle /own {\n\t\theader Strict-Transport-Security max-age=63072000\n\t\ttelegram_webhook {env.TELEGRAM_SECRET}\n\t\treverse_proxy %s\n\t}\n", bot)
	c := caddytest.Start(t, caddytest.Globals()+fmt.Sprintf("https://localhost:%d {\n%s\thandle_errors {\n\t\trespond \"error page\" 599\n\t}\n}\n", port, &site))

	const hsts = "max-age=31536000"
	for name, tc := range map[string]struct {
		path       string
		status     int
		retryAfter string
		hsts       string
		body       string
	}{
		"a method is given back byte for byte":    {"/bot/method", 200, "", hsts, caddytest.MethodBody},
		"an empty 200":                            {"/bot/empty", 200, "", hsts, ""},
		"the bot's 500 is not changed":            {"/bot/500", 500, "", hsts, "bot's page"},
		"the bot's 503 is not changed":            {"/bot/503", 503, "77", hsts, "bot's page"},
		"410 becomes 503":                         {"/bot/410", 503, "", hsts, "bot's page"},
		"1xx is held back":                        {"/bot/103", 200, "", hsts, caddytest.MethodBody},
		"one HSTS header, not the bot's":          {"/bot/hsts", 200, "", hsts, ""},
		"the site's own HSTS stays":               {"/own", 404, "", "max-age=63072000", "bot's page"},
		"a bot that hangs up before an answer":    {"/bot/hangup", 502, "", hsts, ""},
		"a bot with no status in time":            {"/slow", 503, "5", hsts, ""},
		"a dead bot":                              {"/dead", 503, "5", hsts, ""},
		"a dead bot, tried for a while":           {"/dead_tried", 503, "5", hsts, ""},
		"one of two bots is dead":                 {"/dead_and_alive", 200, "", hsts, caddytest.MethodBody},
		"no upstream is healthy":                  {"/none_healthy", 503, "5", hsts, ""},
		"no handler after the gate":               {"/nobody", 503, "5", hsts, ""},
		"a bot that switches protocols unasked":   {"/bot/101", 503, "5", hsts, ""},
		"a bot with a status that is none":        {"/bot/099", 502, "", hsts, ""},
		"another handler's error, no error route": {"/error", 418, "", hsts, ""},
		"retry_after off, hsts off":               {"/off", 503, "", "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			r := caddytest.Update(t, fmt.Sprintf("https://localhost:%d%s", port, tc.path), caddytest.RightSecret)
			informational := 0
			r = r.WithContext(httptrace.WithClientTrace(r.Context(), &httptrace.ClientTrace{
				Got1xxResponse: func(int, textproto.MIMEHeader) error { informational++; return nil },
			}))
			got := caddytest.Do(t, c.Client(), r)
			if got.Status != tc.status || got.Body != tc.body {
				t.Errorf("got %d %q, want %d %q", got.Status, got.Body, tc.status, tc.body)
			}
			if v := got.Header.Get("Retry-After"); v != tc.retryAfter {
				t.Errorf("Retry-After: got %q, want %q", v, tc.retryAfter)
			}
			if v := strings.Join(got.Header.Values("Strict-Transport-Security"), "|"); v != tc.hsts {
				t.Errorf("Strict-Transport-Security: got %q, want %q", v, tc.hsts)
			}
			if informational > 0 {
				t.Errorf("got %d 1xx answers, want none", informational)
			}
		})
	}
	c.Stop()
	for _, reason := range []string{"gone", "unreachable", "failed", "no_handler"} {
		if want := fmt.Sprintf(`"reason":%q`, reason); !strings.Contains(c.Out.String(), want) {
			t.Errorf("no %s in the log", want)
		}
	}
	if strings.Contains(c.Out.String(), "http.log.error") {
		t.Errorf("Caddy's error log was written:\n%s", c.Out)
	}
}

// misbehave is a bot that does what its path says.
func misbehave(w http.ResponseWriter, r *http.Request) {
	_, _ = io.Copy(io.Discard, r.Body)
	switch r.URL.Path {
	case "/bot/method", "/dead_and_alive":
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, caddytest.MethodBody)
	case "/bot/empty":
	case "/bot/500":
		w.WriteHeader(http.StatusInternalServerError)
		_, _ = io.WriteString(w, "bot's page")
	case "/bot/503":
		w.Header().Set("Retry-After", "77")
		w.WriteHeader(http.StatusServiceUnavailable)
		_, _ = io.WriteString(w, "bot's page")
	case "/bot/410":
		w.WriteHeader(http.StatusGone)
		_, _ = io.WriteString(w, "bot's page")
	case "/bot/103":
		w.Header().Set("Link", "</style.css>; rel=preload")
		w.WriteHeader(http.StatusEarlyHints)
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, caddytest.MethodBody)
	case "/bot/hsts":
		w.Header().Set("Strict-Transport-Security", "max-age=1")
	case "/bot/hangup":
		panic(http.ErrAbortHandler)
	case "/slow":
		<-r.Context().Done()
	case "/bot/101":
		raw(w, "HTTP/1.1 101 Switching Protocols\r\n\r\nnot an answer")
	case "/bot/099":
		raw(w, "HTTP/1.1 099 What\r\nContent-Length: 0\r\n\r\n")
	default:
		w.WriteHeader(http.StatusNotFound)
		_, _ = io.WriteString(w, "bot's page")
	}
}

// raw writes an answer that net/http would not.
func raw(w http.ResponseWriter, answer string) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		panic(err)
	}
	_, _ = io.WriteString(conn, answer)
	_ = conn.Close()
}

// TestAnswersThatBreakOff counts and logs an answer that ends in the middle, and
// one for which Telegram has not waited.
func TestAnswersThatBreakOff(t *testing.T) {
	t.Parallel()
	arrived := make(chan struct{}, 1)
	bot := caddytest.StartBot(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/broken" {
			w.Header().Set("Content-Length", "100")
			_, _ = io.WriteString(w, "begun")
			_ = http.NewResponseController(w).Flush()
			panic(http.ErrAbortHandler)
		}
		_, _ = io.Copy(io.Discard, r.Body) // or the server does not notice that the client has gone
		arrived <- struct{}{}
		<-r.Context().Done()
	})
	admin, port := caddytest.FreePort(t), caddytest.FreePort(t)
	c := caddytest.Start(t, strings.Replace(caddytest.Globals("metrics"), "admin off", fmt.Sprintf("admin localhost:%d", admin), 1)+
		fmt.Sprintf("https://localhost:%d {\n\ttelegram_webhook {env.TELEGRAM_SECRET} {\n\t\tname bot\n\t}\n\treverse_proxy %s\n}\n", port, bot))
	site := fmt.Sprintf("https://localhost:%d", port)

	resp, err := c.Client().Do(caddytest.Update(t, site+"/broken", caddytest.RightSecret))
	if err == nil {
		_, err = io.ReadAll(resp.Body)
		resp.Body.Close()
	}
	if err == nil {
		t.Error("the broken answer came as a whole one")
	}
	c.Out.Wait(t, `"reason":"broken"`)

	waiting, giveUp := context.WithCancel(context.Background())
	go func() { <-arrived; giveUp() }()
	if resp, err := c.Client().Do(caddytest.Update(t, site+"/slow", caddytest.RightSecret).WithContext(waiting)); err == nil {
		if resp.StatusCode != 499 { // which may come while the client still closes the connection
			t.Errorf("got %d, want none", resp.StatusCode)
		}
		resp.Body.Close()
	}
	c.Out.Wait(t, `"reason":"closed"`)
	for _, want := range []string{
		`requests_total{name="bot",result="passed"} 2`,
		`delivery_duration_seconds_count{code="499",name="bot"} 1`,
		`delivery_duration_seconds_count{code="none",name="bot"} 1`,
	} {
		if metrics := caddytest.Metrics(t, admin); !strings.Contains(metrics, want) {
			t.Errorf("no %s in the metrics", want)
		}
	}
}

// TestTrailers has a bot that sends trailers, announced and not. Telegram, which knows
// none, reads each answer.
func TestTrailers(t *testing.T) {
	t.Parallel()
	var got atomic.Int64
	bot := caddytest.StartBot(t, func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		name := http.TrailerPrefix + "X-Late"
		if got.Add(1)%2 == 0 {
			name = "X-Announced"
			w.Header().Set("Trailer", name)
		}
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, caddytest.MethodBody)
		_ = http.NewResponseController(w).Flush()
		w.Header().Set(name, "1")
	})
	port := caddytest.FreePort(t)
	c := caddytest.Start(t, caddytest.Globals()+fmt.Sprintf("https://localhost:%d {\n%s%s}\n", port,
		handle("/plain", "telegram_webhook {env.TELEGRAM_SECRET}", "reverse_proxy "+bot),
		handle("/dedupe", "telegram_webhook {env.TELEGRAM_SECRET} {", "\tdedupe", "}", "reverse_proxy "+bot)))
	const updates = 20
	for _, path := range []string{"plain", "dedupe"} {
		got.Store(0)
		telegram := telegramtest.NewSender(telegramtest.Webhook{
			URL: fmt.Sprintf("https://localhost:%d/%s", port, path), Secret: caddytest.RightSecret, RootCAs: c.Roots(), MaxConnections: 1,
		}, telegramtest.Options{})
		defer telegram.Close()
		for id := range int64(updates) {
			telegram.Send(telegramtest.Message(id, id, "hello"))
		}
		ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
		defer cancel()
		if err := telegram.Wait(ctx); err != nil {
			t.Fatal(err)
		}
		if stats := telegram.Stats(); stats.Failed > 0 || stats.Calls != updates || got.Load() != updates {
			t.Errorf("%s: the bot has got %d updates of %d: %+v", path, got.Load(), updates, stats)
		}
	}
}

// TestRegistrationCutsRequests renews the secret while the bot works. Telegram drops its
// connections then, which is no fault of the bot's.
func TestRegistrationCutsRequests(t *testing.T) {
	t.Parallel()
	api, address := caddytest.StartTelegram(t)
	arrived, release := make(chan struct{}, 10), make(chan struct{})
	bot := caddytest.StartBot(t, func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body) // or the server does not notice that the client has gone
		arrived <- struct{}{}
		select {
		case <-release:
		case <-r.Context().Done():
		}
	})
	admin, port := caddytest.FreePort(t), caddytest.FreePort(t)
	c := caddytest.Start(t, keptSite(port, address, bot, fmt.Sprintf("admin localhost:%d", admin), "name bot"))
	c.Out.Wait(t, "webhook registered")
	api.Send(caddytest.BotToken, telegramtest.Message(1, 1, "hello"))
	caddytest.Within(t, "the bot has the update", arrived)
	untilTaken(t, api)
	if code, body := operate(t, admin, http.MethodPost, "bot/rotate"); code != http.StatusOK {
		t.Fatalf("rotate: got %d %s", code, body)
	}
	c.Out.Wait(t, `"msg":"update sent more than once"`)
	caddytest.Within(t, "the update comes again", arrived)
	close(release)
	if out := c.Out.String(); strings.Contains(out, "update not delivered") {
		t.Errorf("a failure is logged:\n%s", out)
	}
}
