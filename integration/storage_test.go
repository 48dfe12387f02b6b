package integration

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/caddy-telegram/telegramwebhook/integration/caddytest"
)

// TestKeptSecretAndStorage goes through what may befall the storage of a running
// gate: updates pass as long as the secret is in memory, and are put off, not
// refused, when nothing is.
func TestKeptSecretAndStorage(t *testing.T) {
	t.Parallel()
	api, address := caddytest.StartTelegram(t)
	bot := caddytest.StartBot(t, func(http.ResponseWriter, *http.Request) {})
	admin, port, root := caddytest.FreePort(t), caddytest.FreePort(t), t.TempDir()
	config := func(n int) string {
		return keptSite(port, address, bot, fmt.Sprintf("admin localhost:%d\n\tstorage test_faulty %s", admin, root), fmt.Sprintf("retry_after %ds", n))
	}
	faults := func(lines ...string) {
		t.Helper()
		if err := caddytest.WriteFile(filepath.Join(root, "faults"), strings.Join(lines, "\n")); err != nil {
			t.Fatal(err)
		}
	}
	c := caddytest.Start(t, config(5))
	c.Out.Wait(t, "webhook registered")
	value := api.Webhook(caddytest.BotToken).Secret
	client := c.ClientOf(filepath.Join(root, "pki/authorities/local/root.crt"))
	client.Transport.(*http.Transport).DisableKeepAlives = true // a reload closes what is kept
	status := func(secret string) int {
		return caddytest.Do(t, client, caddytest.Update(t, fmt.Sprintf("https://localhost:%d/", port), secret)).Status
	}
	want := func(secret string, status int, when string) {
		t.Helper()
		got := caddytest.Do(t, client, caddytest.Update(t, fmt.Sprintf("https://localhost:%d/", port), secret))
		if got.Status != status {
			t.Errorf("%s: got %d, want %d", when, got.Status, status)
		}
		if retry := got.Header.Get("Retry-After"); (status == 503) != (retry != "") {
			t.Errorf("%s: Retry-After %q with a %d", when, retry, status)
		}
	}
	want(value, 200, "all well")
	want("forged", 403, "all well")
	record := caddytest.SecretRecord(t, root)
	if info, err := os.Stat(record); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the record's mode is %v, %v, want 0600", info.Mode(), err)
	}

	for _, fault := range []string{"fail", "1h"} {
		faults("load "+fault, "store "+fault, "lock "+fault)
		want(value, 200, "storage away: "+fault)
		want("forged", 403, "storage away: "+fault)
		caddytest.Load(t, admin, config(6))
		want(value, 200, "storage away and reloaded: "+fault)
		caddytest.Load(t, admin, config(7))
		want(value, 200, "storage away and reloaded again: "+fault)
	}
	restart := func() {
		t.Helper()
		c.Restart()
		caddytest.WaitUntil(t, "the certificate is served", func() bool { return c.Serves(fmt.Sprintf("localhost:%d", port)) })
	}
	restart()
	want(value, 503, "storage away and restarted")
	want("forged", 503, "storage away and restarted")
	faults()
	caddytest.WaitUntil(t, "the secret is known again", func() bool { return status(value) == 200 })

	if err := caddytest.WriteFile(record, "{torn"); err != nil {
		t.Fatal(err)
	}
	want(value, 200, "damaged")
	caddytest.Load(t, admin, config(8))
	c.Out.Wait(t, "secrets in storage damaged; they are replaced")
	want(value, 200, "damaged and replaced")
	if aside, _ := filepath.Glob(filepath.Join(filepath.Dir(record), "secret-damaged-*")); len(aside) != 1 {
		t.Errorf("set aside: %v, want one", aside)
	}
	if err := os.Remove(record); err != nil {
		t.Fatal(err)
	}
	caddytest.Load(t, admin, config(9))
	caddytest.WaitUntil(t, "the record is stored again", func() bool { _, err := os.Stat(record); return err == nil })
	restart()
	caddytest.WaitUntil(t, "the secret is the same", func() bool { return status(value) == 200 })
	wantSetWebhook(t, api, 1, "whatever befell the storage")
}

// keptSite is a site whose bot has a kept secret.
func keptSite(port int, api, bot, options string, lines ...string) string {
	return strings.Replace(registeringSite(port, api, bot, options, lines...), "telegram_webhook {env.TELEGRAM_SECRET} {", "telegram_webhook {", 1)
}
