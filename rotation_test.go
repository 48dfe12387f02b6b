package telegramwebhook

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/caddy-telegram/telegramwebhook/internal/telegramtest"
)

// rotating is a node whose secret rotates every few seconds, and what is around it.
type rotating struct {
	*caddyProcess
	api         *telegramtest.API
	admin, port int
	root        string
}

// startRotating starts a node with storage of its own below root, in which faults
// can be had on command.
func startRotating(t *testing.T) *rotating {
	api, address := startTelegram(t)
	r := &rotating{api: api, admin: freePort(t), port: freePort(t), root: t.TempDir()}
	bot := startBot(t, func(http.ResponseWriter, *http.Request) {})
	options := fmt.Sprintf("admin localhost:%d\n\tmetrics\n\tstorage test_faulty %s", r.admin, r.root)
	r.caddyProcess = startCaddy(t, keptSite(r.port, address, bot, options, "name bot", "rotate 5s 5s"))
	r.out.wait(t, "webhook registered")
	return r
}

// crash kills the node, has storage work again, and starts the node anew.
func (r *rotating) crash() {
	r.t.Helper()
	_ = r.cmd.Process.Kill()
	_ = r.cmd.Wait()
	r.fault("")
	r.start()
	waitUntil(r.t, "the certificate is served", func() bool { return r.serves(fmt.Sprintf("localhost:%d", r.port)) })
}

func (r *rotating) fault(lines string) {
	r.t.Helper()
	if err := writeFile(filepath.Join(r.root, "faults"), lines); err != nil {
		r.t.Fatal(err)
	}
}

// record returns the values in storage: the current one, the next and the
// previous ones. It is asked while the node writes, so it may have to be read again.
func (r *rotating) record() (current, next string, previous []string) {
	r.t.Helper()
	content, err := os.ReadFile(secretFile(r.t, r.root))
	if err != nil {
		r.t.Fatal(err)
	}
	return parseRecord(content)
}

// over reports whether a secret that was in the record is accepted no longer.
func (r *rotating) over(value string) bool {
	r.t.Helper()
	var record struct {
		Current, Next struct{ Value string }
		Previous      []struct {
			Value string
			Until time.Time
		}
	}
	if err := json.Unmarshal([]byte(readFile(r.t, secretFile(r.t, r.root))), &record); err != nil {
		r.t.Fatal(err)
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
	r.t.Helper()
	var record struct {
		Secret string `json:"secret_fingerprint"`
	}
	content := readFile(r.t, filepath.Join(filepath.Dir(secretFile(r.t, r.root)), "registration.json"))
	if err := json.Unmarshal([]byte(content), &record); err != nil {
		r.t.Fatal(err)
	}
	return record.Secret
}

func (r *rotating) status(secret string) int {
	r.t.Helper()
	client := r.clientOf(filepath.Join(r.root, "pki/authorities/local/root.crt"))
	return do(r.t, client, update(r.t, fmt.Sprintf("https://localhost:%d/", r.port), secret)).status
}

// failSetWebhook has setWebhook go wrong, and no other method.
func failSetWebhook(fault *telegramtest.Fault) func(string, map[string]string) *telegramtest.Fault {
	return func(method string, _ map[string]string) *telegramtest.Fault {
		if strings.EqualFold(method, "setWebhook") {
			return fault
		}
		return nil
	}
}

// TestCrashMatrix kills a node after each durable step of a rotation. It comes
// back, accepts at once what Telegram may send, and ends the rotation.
func TestCrashMatrix(t *testing.T) {
	t.Parallel()
	for name, until := range map[string]func(t *testing.T, r *rotating, first string){
		"the next is stored": func(t *testing.T, r *rotating, _ string) {
			r.api.Fail(failSetWebhook(&telegramtest.Fault{Status: http.StatusBadGateway}))
			waitUntil(t, "the next secret is stored", func() bool { _, next, _ := r.record(); return next != "" })
		},
		"Telegram has it, and the node has had no answer": func(t *testing.T, r *rotating, first string) {
			r.api.Fail(failSetWebhook(&telegramtest.Fault{Carry: true, Cut: true}))
			waitUntil(t, "it is registered", func() bool { return r.api.Webhook(botToken).Secret != first })
		},
		"the registration is recorded": func(t *testing.T, r *rotating, first string) {
			waitUntil(t, "the next secret is stored", func() bool { _, next, _ := r.record(); return next != "" })
			before := r.registration()
			r.fault("store:secret.json 1h")
			waitUntil(t, "it is registered", func() bool { return r.api.Webhook(botToken).Secret != first })
			waitUntil(t, "that is recorded", func() bool { return r.registration() != before })
		},
		"it is the current one": func(t *testing.T, r *rotating, first string) {
			waitUntil(t, "it is the current one", func() bool { current, _, _ := r.record(); return current != first })
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := startRotating(t)
			first, _, _ := r.record()
			until(t, r, first)
			current, next, previous := r.record()
			r.crash()
			r.api.Fail(nil)
			for _, accepted := range append([]string{current, next, r.api.Webhook(botToken).Secret}, previous...) {
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
			if status := r.status(first + "x"); status != http.StatusForbidden {
				t.Errorf("after the crash: got %d for a forgery", status)
			}
			waitUntil(t, "the rotation has ended", func() bool {
				now, next, _ := r.record()
				return now != first && next == "" && r.api.Webhook(botToken).Secret == now
			})
			waitUntil(t, "the first secret is forgotten", func() bool { return r.status(first) == http.StatusForbidden })
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
		waitUntil(t, "the metrics say "+strings.Join(lines, " and "), func() bool {
			all := getMetrics(t, r.admin)
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
	r.out.wait(t, "secret rotated")
	metrics(`rotations_total{name="bot",result="ok"} `)
	for _, value := range []string{first, next} {
		if strings.Contains(r.out.String(), value) || strings.Contains(getMetrics(t, r.admin), value) {
			t.Error("a kept secret is told")
		}
	}
}

func readFile(t *testing.T, name string) string {
	t.Helper()
	content, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}
