package telegramwebhook

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/caddy-telegram/telegramwebhook/internal/telegram"
	"github.com/caddy-telegram/telegramwebhook/internal/telegramtest"
)

// TestSuspicion floods the webhook with forgeries that say that they come from
// Telegram: by a trusted proxy they have it registered again, once a minute at
// most, and by a stranger not at all.
func TestSuspicion(t *testing.T) {
	t.Parallel()
	// It lasts for five seconds at least, since Telegram itself takes only one call
	// of setWebhook a second.
	const flood, senders, pace = 2000, 8, 20 * time.Millisecond
	for name, tc := range map[string]struct {
		trusted      string
		calls        int
		fromTelegram bool
	}{
		"a trusted proxy": {"trusted_proxies static 127.0.0.1/32", 2, true},
		"a stranger":      {"trusted_proxies static 192.0.2.0/24", 1, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			api, address := startTelegram(t)
			port := freePort(t)
			c := startCaddy(t, registeringSite(port, address, "127.0.0.1:9", "admin off\n\tservers {\n\t\t"+tc.trusted+"\n\t}", "check 10s"))
			c.out.wait(t, "webhook registered")
			// What was registered within the last minute is not suspected.
			makeRecordOlder(t, c)
			client := c.client()
			var flooding sync.WaitGroup
			for range senders {
				flooding.Go(func() {
					tick := time.NewTicker(pace)
					defer tick.Stop()
					for range flood / senders {
						<-tick.C
						r, err := http.NewRequest(http.MethodPost, fmt.Sprintf("https://localhost:%d/", port), nil)
						if err != nil {
							t.Error(err)
							return
						}
						r.Header.Set("X-Forwarded-For", "149.154.167.220")
						r.Header.Set(telegram.SecretHeader, "wrong")
						resp, err := client.Do(r)
						if err != nil {
							t.Error(err)
							return
						}
						resp.Body.Close()
					}
				})
			}
			flooding.Wait()
			// The next look comes in its time, and finds nothing more to suspect.
			asked := len(api.Calls("getWebhookInfo"))
			waitUntil(t, "it looks again", func() bool { return len(api.Calls("getWebhookInfo")) > asked })
			c.stop()
			calls := slices.DeleteFunc(api.Calls("setWebhook"), func(c telegramtest.Call) bool {
				return c.Status == http.StatusTooManyRequests // it came within a second of the one before
			})
			if len(calls) != tc.calls {
				t.Errorf("%d calls of setWebhook, want %d", len(calls), tc.calls)
			}
			if said := strings.Contains(c.out.String(), `"from_telegram":true`); said != tc.fromTelegram {
				t.Errorf("the log says that it was Telegram: %v, want %v", said, tc.fromTelegram)
			}
		})
	}
}

// makeRecordOlder takes an hour off the times in the record in storage.
func makeRecordOlder(t *testing.T, c *caddyProcess) {
	t.Helper()
	name := c.file("data/caddy/telegram_webhook")
	var files []string
	waitUntil(t, "there is a record", func() bool {
		files, _ = filepath.Glob(name + "/*/registration.json")
		return len(files) == 1
	})
	content, err := os.ReadFile(files[0])
	if err != nil {
		t.Fatal(err)
	}
	var record map[string]any
	if err := json.Unmarshal(content, &record); err != nil {
		t.Fatal(err)
	}
	record["registered_at"] = time.Now().Add(-time.Hour)
	if content, err = json.Marshal(record); err != nil {
		t.Fatal(err)
	}
	if err := writeFile(files[0], string(content)); err != nil {
		t.Fatal(err)
	}
}
