package integration

import (
	"fmt"
	"net/http"
	"testing"

	"github.com/caddy-telegram/telegramwebhook/integration/caddytest"
	"github.com/caddy-telegram/telegramwebhook/internal/deliver"
)

// TestBehindProxy takes the test for the proxy before Caddy, once trusted and
// once a stranger, and says who the client is and how it came.
func TestBehindProxy(t *testing.T) {
	t.Parallel()
	bot := caddytest.StartBot(t, func(http.ResponseWriter, *http.Request) {})
	for name, tc := range map[string]struct {
		trusted    string
		client     string
		proto      string
		wantStatus int
		wantHSTS   string
	}{
		"trusted, Telegram over https":         {"127.0.0.1/32", "149.154.167.220", "https", 200, deliver.DefaultHSTS},
		"trusted, IPv6-mapped Telegram":        {"127.0.0.1/32", "::ffff:149.154.167.220", "https", 200, deliver.DefaultHSTS},
		"trusted, Telegram over http":          {"127.0.0.1/32", "149.154.167.220", "http", 403, ""},
		"trusted, a stranger over https":       {"127.0.0.1/32", "203.0.113.9", "https", 403, deliver.DefaultHSTS},
		"trusted, a stranger who is not alone": {"127.0.0.1/32", "149.154.167.220, 203.0.113.9", "https", 403, deliver.DefaultHSTS},
		"a stranger who says all the right":    {"192.0.2.0/24", "149.154.167.220", "https", 403, ""},
	} {
		t.Run(name, func(t *testing.T) {
			port := caddytest.FreePort(t)
			c := caddytest.Start(t, caddytest.Globals(fmt.Sprintf("servers {\n\t\ttrusted_proxies static %s\n\t\ttrusted_proxies_strict\n\t}", tc.trusted))+
				fmt.Sprintf("http://localhost:%d {\n\ttelegram_webhook {env.TELEGRAM_SECRET} {\n\t\tsource telegram\n\t}\n\treverse_proxy %s\n}\n", port, bot))
			defer c.Stop()
			r := caddytest.Update(t, fmt.Sprintf("http://localhost:%d/", port), caddytest.RightSecret)
			r.Header.Set("X-Forwarded-For", tc.client)
			r.Header.Set("X-Forwarded-Proto", tc.proto)
			got := caddytest.Do(t, http.DefaultClient, r)
			if got.Status != tc.wantStatus {
				t.Errorf("got %d, want %d", got.Status, tc.wantStatus)
			}
			if hsts := got.Header.Get("Strict-Transport-Security"); hsts != tc.wantHSTS {
				t.Errorf("Strict-Transport-Security: got %q, want %q", hsts, tc.wantHSTS)
			}
		})
	}
}
