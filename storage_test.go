package telegramwebhook

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/certmagic"

	"github.com/caddy-telegram/telegramwebhook/internal/storagetest"
)

// testStorage is Caddy's file storage with faults for the bots' keys, which a
// file tells: a line for each operation (load, store, lock), with the end of a key
// behind a colon if it is about some only, and "fail" or how long it takes.
type testStorage struct {
	Root string `json:"root,omitempty"`
}

func init() { caddy.RegisterModule(new(testStorage)) }

func (*testStorage) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "caddy.storage.test_faulty", New: func() caddy.Module { return new(testStorage) }}
}

func (s *testStorage) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	d.Next()
	if !d.Args(&s.Root) {
		return d.ArgErr()
	}
	return nil
}

// CertMagicStorage satisfies caddy.StorageConverter.
func (s *testStorage) CertMagicStorage() (certmagic.Storage, error) {
	storage := storagetest.NewFaulty(&certmagic.FileStorage{Path: s.Root})
	storage.Set(func(op, key string) storagetest.Fault {
		if !strings.HasPrefix(key, "telegram_webhook/") {
			return storagetest.Fault{}
		}
		commands, _ := os.ReadFile(filepath.Join(s.Root, "faults"))
		for line := range strings.Lines(string(commands)) {
			of, what, _ := strings.Cut(strings.TrimSpace(line), " ")
			of, end, _ := strings.Cut(of, ":")
			if of != op || !strings.HasSuffix(key, end) {
				continue
			}
			if delay, err := time.ParseDuration(what); err == nil {
				return storagetest.Fault{Delay: delay}
			}
			return storagetest.Fault{Err: errors.New("a fault on command")}
		}
		return storagetest.Fault{}
	})
	return storage, nil
}

// TestKeptSecretAndStorage goes through what may befall the storage of a running
// gate: updates pass as long as the secret is in memory, and are put off, not
// refused, when nothing is.
func TestKeptSecretAndStorage(t *testing.T) {
	t.Parallel()
	api, address := startTelegram(t)
	bot := startBot(t, func(http.ResponseWriter, *http.Request) {})
	admin, port, root := freePort(t), freePort(t), t.TempDir()
	config := func(n int) string {
		return keptSite(port, address, bot, fmt.Sprintf("admin localhost:%d\n\tstorage test_faulty %s", admin, root), fmt.Sprintf("retry_after %ds", n))
	}
	faults := func(lines ...string) {
		t.Helper()
		if err := writeFile(filepath.Join(root, "faults"), strings.Join(lines, "\n")); err != nil {
			t.Fatal(err)
		}
	}
	c := startCaddy(t, config(5))
	c.out.wait(t, "webhook registered")
	value := api.Webhook(botToken).Secret
	client := c.clientOf(filepath.Join(root, "pki/authorities/local/root.crt"))
	client.Transport.(*http.Transport).DisableKeepAlives = true // a reload closes what is kept
	status := func(secret string) int {
		return do(t, client, update(t, fmt.Sprintf("https://localhost:%d/", port), secret)).status
	}
	want := func(secret string, status int, when string) {
		t.Helper()
		got := do(t, client, update(t, fmt.Sprintf("https://localhost:%d/", port), secret))
		if got.status != status {
			t.Errorf("%s: got %d, want %d", when, got.status, status)
		}
		if retry := got.header.Get("Retry-After"); (status == 503) != (retry != "") {
			t.Errorf("%s: Retry-After %q with a %d", when, retry, status)
		}
	}
	want(value, 200, "all well")
	want("forged", 403, "all well")
	record := secretFile(t, root)
	if info, err := os.Stat(record); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the record's mode is %v, %v, want 0600", info.Mode(), err)
	}

	for _, fault := range []string{"fail", "1h"} {
		faults("load "+fault, "store "+fault, "lock "+fault)
		want(value, 200, "storage away: "+fault)
		want("forged", 403, "storage away: "+fault)
		load(t, admin, config(6))
		want(value, 200, "storage away and reloaded: "+fault)
		load(t, admin, config(7))
		want(value, 200, "storage away and reloaded again: "+fault)
	}
	restart := func() {
		t.Helper()
		c.restart()
		waitUntil(t, "the certificate is served", func() bool { return c.serves(fmt.Sprintf("localhost:%d", port)) })
	}
	restart()
	want(value, 503, "storage away and restarted")
	want("forged", 503, "storage away and restarted")
	faults()
	waitUntil(t, "the secret is known again", func() bool { return status(value) == 200 })

	if err := writeFile(record, "{torn"); err != nil {
		t.Fatal(err)
	}
	want(value, 200, "damaged")
	load(t, admin, config(8))
	c.out.wait(t, "secrets in storage damaged; they are replaced")
	want(value, 200, "damaged and replaced")
	if aside, _ := filepath.Glob(filepath.Join(filepath.Dir(record), "secret-damaged-*")); len(aside) != 1 {
		t.Errorf("set aside: %v, want one", aside)
	}
	if err := os.Remove(record); err != nil {
		t.Fatal(err)
	}
	load(t, admin, config(9))
	waitUntil(t, "the record is stored again", func() bool { _, err := os.Stat(record); return err == nil })
	restart()
	waitUntil(t, "the secret is the same", func() bool { return status(value) == 200 })
	wantSetWebhook(t, api, 1, "whatever befell the storage")
}

// keptSite is a site whose bot has a kept secret.
func keptSite(port int, api, bot, options string, lines ...string) string {
	return strings.Replace(registeringSite(port, api, bot, options, lines...), "telegram_webhook {env.TELEGRAM_SECRET} {", "telegram_webhook {", 1)
}

// secretFile is the one record of kept secrets below a storage folder.
func secretFile(t *testing.T, root string) string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(root, "telegram_webhook/*/secret.json"))
	if err != nil || len(files) != 1 {
		t.Fatalf("records of kept secrets: %v, %v, want one", files, err)
	}
	return files[0]
}

// parseRecord reads a record of kept secrets; what is not there is empty.
func parseRecord(content []byte) (current, next string, previous []string) {
	var record struct {
		Current, Next struct{ Value string }
		Previous      []struct{ Value string }
	}
	_ = json.Unmarshal(content, &record)
	for _, p := range record.Previous {
		previous = append(previous, p.Value)
	}
	return record.Current.Value, record.Next.Value, previous
}
