package integration

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/caddy-telegram/telegramwebhook/integration/caddytest"
	"github.com/caddy-telegram/telegramwebhook/internal/telegramtest"
)

// TestRotateAtOnce has many rotate at once, which is one rotation for all, and a
// page of another site try it, which Caddy refuses.
func TestRotateAtOnce(t *testing.T) {
	t.Parallel()
	o := startOperated(t)
	r, err := http.NewRequest(http.MethodPost, fmt.Sprintf("http://localhost:%d/telegram_webhook/kept/rotate", o.admin), nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Origin", "https://evil.example.com")
	if answer := caddytest.Do(t, http.DefaultClient, r); answer.Status != http.StatusForbidden {
		t.Errorf("from another site: got %d %s", answer.Status, answer.Body)
	}
	wantSetWebhook(t, o.api, 1, "from another site")

	const callers = 8
	first := o.api.Webhook(caddytest.BotToken).Secret
	var rotating sync.WaitGroup
	for range callers {
		rotating.Go(func() {
			if code, body := operate(t, o.admin, http.MethodPost, "kept/rotate"); code != http.StatusOK {
				t.Errorf("rotate: got %d %s", code, body)
			}
		})
	}
	rotating.Wait()
	secrets := map[string]bool{}
	for _, call := range o.api.Calls("setWebhook") {
		secrets[call.Params["secret_token"]] = true
	}
	// One that comes late begins another rotation.
	if last := o.api.Webhook(caddytest.BotToken).Secret; last == first || len(secrets) > 3 {
		t.Errorf("%d callers have had %d secrets registered, and the last is the first: %v", callers, len(secrets)-1, last == first)
	}
}

// rotating is a node whose secret rotates every few seconds, and what is around it.
type rotating struct {
	*caddytest.Process
	api         *telegramtest.API
	admin, port int
	root        string
}

// startRotating starts a node with storage of its own below root, in which faults
// can be had on command.
func startRotating(t testing.TB) *rotating {
	api, address := caddytest.StartTelegram(t)
	r := &rotating{api: api, admin: caddytest.FreePort(t), port: caddytest.FreePort(t), root: caddytest.StorageFolder(t)}
	bot := caddytest.StartBot(t, func(http.ResponseWriter, *http.Request) {})
	options := fmt.Sprintf("admin localhost:%d\n\tmetrics\n\tstorage test_faulty %s", r.admin, r.root)
	r.Process = caddytest.Start(t, keptSite(r.port, address, bot, options, "name bot", "rotate 5s 5s"))
	r.Out.Wait(t, "webhook registered")
	return r
}

// crash kills the node, has storage work again, and starts the node anew.
func (r *rotating) crash() {
	r.T.Helper()
	_ = r.Cmd.Process.Kill()
	_ = r.Cmd.Wait()
	r.fault("")
	r.Start()
	caddytest.WaitUntil(r.T, "the certificate is served", func() bool { return r.Serves(fmt.Sprintf("localhost:%d", r.port)) })
}

func (r *rotating) fault(lines string) {
	r.T.Helper()
	if err := caddytest.WriteFile(filepath.Join(r.root, "faults"), lines); err != nil {
		r.T.Fatal(err)
	}
}

// record returns the values in storage: the current one, the next and the
// previous ones. It is asked while the node writes, so it may have to be read again.
func (r *rotating) record() (current, next string, previous []string) {
	r.T.Helper()
	content, err := os.ReadFile(caddytest.SecretRecord(r.T, r.root))
	if err != nil {
		r.T.Fatal(err)
	}
	return caddytest.ParseSecretRecord(content)
}

// over reports whether a secret that was in the record is accepted no longer.
func (r *rotating) over(value string) bool {
	r.T.Helper()
	var record struct {
		Current, Next struct{ Value string }
		Previous      []struct {
			Value string
			Until time.Time
		}
	}
	if err := json.Unmarshal([]byte(caddytest.ReadFile(r.T, caddytest.SecretRecord(r.T, r.root))), &record); err != nil {
		r.T.Fatal(err)
	}
	for _, p := range record.Previous {
		if p.Value == value {
			return !time.Now().Before(p.Until)
		}
	}
	return value != record.Current.Value && value != record.Next.Value
}

// registration returns the fingerprint of the secret that is recorded as registered.
func (r *rotating) registration() string {
	r.T.Helper()
	var record struct {
		Secret string `json:"secret_fingerprint"`
	}
	content := caddytest.ReadFile(r.T, filepath.Join(filepath.Dir(caddytest.SecretRecord(r.T, r.root)), "registration.json"))
	if err := json.Unmarshal([]byte(content), &record); err != nil {
		r.T.Fatal(err)
	}
	return record.Secret
}

func (r *rotating) status(secret string) int {
	r.T.Helper()
	client := r.ClientOf(filepath.Join(r.root, "pki/authorities/local/root.crt"))
	return caddytest.Do(r.T, client, caddytest.Update(r.T, fmt.Sprintf("https://localhost:%d/", r.port), secret)).Status
}

// TestCrashMatrix kills a node after each durable step of a rotation. It comes
// back, accepts at once what Telegram may send, and ends the rotation. With -short
// it is one of the steps.
func TestCrashMatrix(t *testing.T) {
	t.Parallel()
	for name, until := range map[string]func(t *testing.T, r *rotating, first string){
		"the next is stored": func(t *testing.T, r *rotating, _ string) {
			r.api.Fail(failSetWebhook(&telegramtest.Fault{Status: http.StatusBadGateway}))
			caddytest.WaitUntil(t, "the next secret is stored", func() bool { _, next, _ := r.record(); return next != "" })
		},
		"Telegram has it, and the node has had no answer": func(t *testing.T, r *rotating, first string) {
			r.api.Fail(failSetWebhook(&telegramtest.Fault{Carry: true, Cut: true}))
			caddytest.WaitUntil(t, "it is registered", func() bool { return r.api.Webhook(caddytest.BotToken).Secret != first })
		},
		"the registration is recorded": func(t *testing.T, r *rotating, first string) {
			caddytest.WaitUntil(t, "the next secret is stored", func() bool { _, next, _ := r.record(); return next != "" })
			before := r.registration()
			r.fault("store:secret.json 1h")
			caddytest.WaitUntil(t, "it is registered", func() bool { return r.api.Webhook(caddytest.BotToken).Secret != first })
			caddytest.WaitUntil(t, "that is recorded", func() bool { return r.registration() != before })
		},
		"it is the current one": func(t *testing.T, r *rotating, first string) {
			caddytest.WaitUntil(t, "it is the current one", func() bool { current, _, _ := r.record(); return current != first })
		},
	} {
		if testing.Short() && name != "it is the current one" {
			continue
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := startRotating(t)
			first, _, _ := r.record()
			until(t, r, first)
			current, next, previous := r.record()
			r.crash()
			r.api.Fail(nil)
			for _, accepted := range append([]string{current, next, r.api.Webhook(caddytest.BotToken).Secret}, previous...) {
				if accepted == "" {
					continue
				}
				status := r.status(accepted)
				if r.over(accepted) {
					continue // its grace period was over before the node was back
				}
				if status != http.StatusOK {
					t.Errorf("after the crash: got %d for a secret that is in the record, or that Telegram has", status)
				}
			}
			// Until it has read the registration, other nodes may be rotating the secret too.
			if status := r.status(first + "x"); status != http.StatusForbidden && status != http.StatusServiceUnavailable {
				t.Errorf("after the crash: got %d for a forgery", status)
			}
			caddytest.WaitUntil(t, "the rotation has ended", func() bool {
				now, next, _ := r.record()
				return now != first && next == "" && r.api.Webhook(caddytest.BotToken).Secret == now
			})
			caddytest.WaitUntil(t, "a forgery is refused for good", func() bool { return r.status(first+"x") == http.StatusForbidden })
			caddytest.WaitUntil(t, "the first secret is forgotten", func() bool { return r.status(first) == http.StatusForbidden })
		})
	}
}

// TestRotationIsTold has a rotation counted, and told to subscribers.
func TestRotationIsTold(t *testing.T) {
	t.Parallel()
	r := startRotating(t)
	first, _, _ := r.record()
	metrics := func(lines ...string) {
		t.Helper()
		caddytest.WaitUntil(t, "the metrics say "+strings.Join(lines, " and "), func() bool {
			all := caddytest.Metrics(t, r.admin)
			for _, line := range lines {
				if !strings.Contains(all, "caddy_telegram_webhook_"+line) {
					return false
				}
			}
			return true
		})
	}
	metrics(`secret_age_seconds{name="bot"} `)
	r.api.Fail(failSetWebhook(&telegramtest.Fault{Status: http.StatusBadGateway}))
	metrics(`rotations_total{name="bot",result="failed"} `)
	_, next, _ := r.record()
	r.api.Fail(nil)
	r.Out.Wait(t, "secret rotated")
	metrics(`rotations_total{name="bot",result="ok"} `)
	for _, value := range []string{first, next} {
		if strings.Contains(r.Out.String(), value) || strings.Contains(caddytest.Metrics(t, r.admin), value) {
			t.Error("a kept secret is told")
		}
	}
}

// TestKeptSecretAndStorage goes through what may befall the storage of a running
// gate: updates pass as long as the secret is in memory, and are put off, not
// refused, when nothing is.
func TestKeptSecretAndStorage(t *testing.T) {
	t.Parallel()
	api, address := caddytest.StartTelegram(t)
	bot := caddytest.StartBot(t, func(http.ResponseWriter, *http.Request) {})
	admin, port, root := caddytest.FreePort(t), caddytest.FreePort(t), caddytest.StorageFolder(t)
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
	wantAway := func(away bool) {
		t.Helper()
		metric := map[bool]string{false: `caddy_telegram_webhook_storage_away{name="123456789"} 0`, true: `caddy_telegram_webhook_storage_away{name="123456789"} 1`}
		caddytest.WaitUntil(t, metric[away], func() bool {
			status("forged") // which has storage read
			return strings.Contains(caddytest.Metrics(t, admin), metric[away])
		})
		all := string(caddytest.Get(t, admin, "/telegram_webhook/"))
		if !strings.Contains(all, `"storage":{"module":"`) || strings.Contains(all, `"away_since"`) != away || !strings.Contains(all, `"read_at"`) {
			t.Errorf("away: %v, and the status is %s", away, all)
		}
	}
	want(value, 200, "all well")
	want("forged", 403, "all well")
	wantAway(false)
	record := caddytest.SecretRecord(t, root)
	if info, err := os.Stat(record); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the record's mode is %v, %v, want 0600", info.Mode(), err)
	}

	kinds := []string{"fail", "1h"} // a reading that hangs takes 10 seconds
	for _, fault := range kinds[:size(len(kinds), 1)] {
		faults("load "+fault, "store "+fault, "lock "+fault)
		want(value, 200, "storage away: "+fault)
		wantAway(true)
		want("forged", 503, "storage away: "+fault)
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
	wantAway(false)

	if err := caddytest.WriteFile(record, "{torn"); err != nil {
		t.Fatal(err)
	}
	want(value, 200, "damaged")
	caddytest.Load(t, admin, config(8))
	c.Out.Wait(t, "damaged secrets in storage set aside")
	want(value, 200, "damaged and replaced")
	if aside, _ := filepath.Glob(filepath.Join(filepath.Dir(record), "secret-damaged-*")); len(aside) != 1 {
		t.Errorf("set aside: %v, want one", aside)
	}
	if err := os.Remove(record); err != nil {
		t.Fatal(err)
	}
	caddytest.WaitUntil(t, "the record is stored again", func() bool {
		status("forged") // which has the record read
		_, err := os.Stat(record)
		return err == nil
	})
	restart()
	caddytest.WaitUntil(t, "the secret is the same", func() bool { return status(value) == 200 })
	wantSetWebhook(t, api, 1, "whatever befell the storage")
}
