package telegramwebhook

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/caddy-telegram/telegramwebhook/internal/boundedlog"
)

// TestFlood refuses 100,000 requests and adds up what the audit log and the
// metrics say of them.
func TestFlood(t *testing.T) {
	h := provision(t, &Handler{Name: "flooded"})
	core, logs := observer.New(zap.WarnLevel)
	h.refused = boundedlog.New(zap.New(core), zap.WarnLevel, "refused", h.nameField, resultNames()...)

	const flood, senders = 100_000, 4
	var wg sync.WaitGroup
	for range senders {
		wg.Go(func() {
			w := httptest.NewRecorder()
			for i := range flood / senders {
				r := request(somebody, "wrong")
				if i%2 == 0 {
					r = request(somebody)
				}
				_ = h.ServeHTTP(w, r, nil)
			}
		})
	}
	wg.Wait()
	h.refused.Close()

	told := map[string]uint64{}
	for _, e := range logs.All() {
		fields := e.ContextMap()
		n, summary := fields["more"].(uint64)
		if !summary {
			n = 1
		}
		told[fields["reason"].(string)] += n
	}
	if told["wrong_secret"] != flood/2 || told["no_secret"] != flood/2 {
		t.Errorf("the audit log tells of %v, want %d of each", told, flood/2)
	}
	if n := logs.Len(); n != 2*(boundedlog.Burst+1) {
		t.Errorf("%d entries, want %d: each reason has its first ones and a summary", n, 2*(boundedlog.Burst+1))
	}
}

// TestMetrics counts for two webhooks of one configuration, over a reload.
func TestMetrics(t *testing.T) {
	t.Parallel()
	bot := startBot(t, func(http.ResponseWriter, *http.Request) {})
	admin, port := freePort(t), freePort(t)
	config := fmt.Sprintf(`{
	admin localhost:%d
	skip_install_trust
	auto_https disable_redirects
}
https://localhost:%d {
	handle /one {
		telegram_webhook {env.TELEGRAM_SECRET} {
			name one
		}
		reverse_proxy %[3]s
	}
	handle /two {
		telegram_webhook {env.TELEGRAM_SECRET}
		reverse_proxy %[3]s
	}
}
`, admin, port, bot)
	c := startCaddy(t, config)
	client := c.client()
	round := func() {
		for _, path := range []string{"/one", "/two"} {
			url := fmt.Sprintf("https://localhost:%d%s", port, path)
			do(t, client, update(t, url, rightSecret))
			do(t, client, update(t, url, "wrong"))
			do(t, client, update(t, url))
		}
	}
	round()
	reload := c.command("reload", "--force", "--config", c.file("Caddyfile"), "--address", fmt.Sprintf("localhost:%d", admin))
	if out, err := reload.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	round()

	body := getMetrics(t, admin)
	for _, want := range []string{
		`caddy_telegram_webhook_requests_total{name="one",result="passed"} 2`,
		`caddy_telegram_webhook_requests_total{name="one",result="wrong_secret"} 2`,
		`caddy_telegram_webhook_requests_total{name="one",result="no_secret"} 2`,
		`caddy_telegram_webhook_requests_total{name="localhost/two",result="passed"} 2`,
		`caddy_telegram_webhook_delivery_duration_seconds_count{code="200",name="one"} 2`,
		`caddy_telegram_webhook_delivery_duration_seconds_count{code="200",name="localhost/two"} 2`,
	} {
		if !strings.Contains(body, want+"\n") {
			t.Errorf("no %s in the metrics", want)
		}
	}
	if t.Failed() {
		for line := range strings.Lines(body) {
			if strings.Contains(line, "telegram") {
				t.Log(line)
			}
		}
	}
}
