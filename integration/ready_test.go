package integration

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/caddy-telegram/telegramwebhook/integration/caddytest"
)

// ready probes a node, and reports what its metrics say too.
func (r *rotating) ready() (code int, body string, metric bool) {
	r.T.Helper()
	code, body = operate(r.T, r.admin, http.MethodGet, "ready")
	return code, body, strings.Contains(caddytest.Metrics(r.T, r.admin), `caddy_telegram_webhook_ready{name="bot"} 1`)
}

// TestReady has a node that cannot judge requests, and then one that can, though nothing is
// registered at its wrong address. The probe has the secrets read: nobody sends a request to a
// node that is not ready.
func TestReady(t *testing.T) {
	t.Parallel()
	r := startRotating(t)
	if code, body, metric := r.ready(); code != http.StatusOK || body != `{"ready":true}`+"\n" || !metric {
		t.Errorf("at work: %d %s, by the metric %v", code, body, metric)
	}
	config := strings.Replace(caddytest.ReadFile(t, r.File("Caddyfile")), "telegram_webhook {\n", "@bot not path /other\n\ttelegram_webhook @bot {\n\t\turl /other\n", 1)
	if err := caddytest.WriteFile(r.File("Caddyfile"), config); err != nil {
		t.Fatal(err)
	}
	r.fault("load fail")
	r.Restart()
	if code, body, metric := r.ready(); code != http.StatusServiceUnavailable || body != `{"ready":false,"error":"not ready: bot"}`+"\n" || metric {
		t.Errorf("without its secrets: %d %s, by the metric %v", code, body, metric)
	}
	probe := []string{"status", "--ready", "--address", fmt.Sprintf("localhost:%d", r.admin)}
	if out, errs, status := r.CLI(probe...); status != 1 || out != "" || errs != "Error: not ready: bot\n" {
		t.Errorf("without its secrets: %d %s%s", status, out, errs)
	}
	r.fault("")
	caddytest.WaitUntil(t, "nothing is registered", func() bool { return state(t, r.admin, "bot").State == "failing" })
	caddytest.WaitUntil(t, "it is ready", func() bool { code, _, metric := r.ready(); return code == http.StatusOK && metric })
	if out, _, status := r.CLI(probe...); status != 0 || out != "ready\n" {
		t.Errorf("without its registration: %d %s", status, out)
	}
	if out := r.Out.String(); strings.Contains(out, "request error") {
		t.Error("a probe is logged as an error")
	}
}

// TestReadyIsNoName has a site of that name, and then no webhook at all.
func TestReadyIsNoName(t *testing.T) {
	t.Parallel()
	admin, port := caddytest.FreePort(t), caddytest.FreePort(t)
	options := fmt.Sprintf("{\n\tadmin localhost:%d\n}\n", admin)
	caddytest.Start(t, options+fmt.Sprintf("http://ready:%d {\n\ttelegram_webhook {env.TELEGRAM_SECRET} {\n\t\tallow_http\n\t}\n}\n", port))
	if code, body := operate(t, admin, http.MethodGet, "ready"); code != http.StatusOK || body != `{"ready":true}`+"\n" {
		t.Errorf("ready: %d %s", code, body)
	}
	if s := state(t, admin, "ready%2F"); s.State != "unmanaged" {
		t.Errorf("the webhook: %+v", s)
	}
	caddytest.Load(t, admin, options)
	if code, _ := operate(t, admin, http.MethodGet, "ready"); code != http.StatusOK {
		t.Errorf("without a webhook: %d", code)
	}
}
