package integration

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/caddy-telegram/telegramwebhook/integration/caddytest"
	"github.com/caddy-telegram/telegramwebhook/internal/telegramtest"
)

// rotating is a node whose secret rotates every few seconds, and what is around it.
type rotating struct {
	*caddytest.Process
	api         *telegramtest.API
	admin, port int
	root        string
}

// startRotating starts a node with storage of its own below root, in which faults
// can be had on command.
func startRotating(t *testing.T) *rotating {
	api, address := caddytest.StartTelegram(t)
	r := &rotating{api: api, admin: caddytest.FreePort(t), port: caddytest.FreePort(t), root: t.TempDir()}
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
			if status := r.status(first + "x"); status != http.StatusForbidden {
				t.Errorf("after the crash: got %d for a forgery", status)
			}
			caddytest.WaitUntil(t, "the rotation has ended", func() bool {
				now, next, _ := r.record()
				return now != first && next == "" && r.api.Webhook(caddytest.BotToken).Secret == now
			})
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
