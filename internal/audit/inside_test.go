package audit

import (
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"testing"
	"time"

	"github.com/caddy-telegram/telegramwebhook/internal/status"
)

// registered is a sound webhook.
func registered() *status.Webhook {
	now := time.Now()
	return &status.Webhook{
		State: "registered", URL: auditedURL, RegisteredAt: now.Add(-12 * day), RegisteredBy: "web-1",
		Telegram: &status.Telegram{At: now.Add(-3 * time.Minute), URL: auditedURL, LastError: "Connection timed out", LastErrorAt: now.Add(-3 * day)},
		Secret:   status.Secret{Source: "kept", Made: now.Add(-12 * day), Due: now.Add(18 * day)},
	}
}

// TestInside changes one thing of a sound webhook. There are no checks from
// outside without a url.
func TestInside(t *testing.T) {
	sound := map[string]string{
		"registration": "pass registered 12 days ago by web-1",
		"last error":   "pass Connection timed out, 3 days ago",
		"pending":      "pass 0 updates, asked 3 minutes ago",
		"secret age":   "pass 12 days",
	}
	state := func(state, detail string) func(*status.Webhook) {
		return func(w *status.Webhook) { w.State, w.Detail, w.Advice, w.Telegram = state, detail, "Do.", nil }
	}
	alone := func(registration string) map[string]string {
		return map[string]string{"registration": registration, "last error": "", "pending": ""}
	}
	lastError := func(age time.Duration, pending int) func(*status.Webhook) {
		return func(w *status.Webhook) {
			w.Telegram.LastErrorAt, w.Telegram.Pending = time.Now().Add(-age), pending
		}
	}
	for name, tc := range map[string]struct {
		change func(*status.Webhook)
		want   map[string]string // other than sound; empty if the check is left out
	}{
		"sound":                      {func(*status.Webhook) {}, nil},
		"registered by nobody known": {func(w *status.Webhook) { w.RegisteredBy = "" }, map[string]string{"registration": "pass registered"}},
		"unmanaged":                  {state("unmanaged", ""), alone("pass nothing registers the webhook here: there is no bot_token")},
		"failing":                    {state("failing", "refused with 401."), alone("fail failing: refused with 401")},
		"contested":                  {state("contested", "somebody else"), alone("fail contested: somebody else")},
		"registered, in doubt":       {state("registered", "no site has the host"), alone("warn no site has the host")},
		"unmanaged, elsewhere":       {state("unmanaged", "it leads elsewhere"), alone("warn it leads elsewhere")},
		"fetched": {func(w *status.Webhook) {
			w.State, w.Telegram, w.Polling = "polling", nil, &status.Fetching{Waiting: 2, FetchedAt: time.Now().Add(-3 * time.Second)}
		}, map[string]string{"registration": "pass none: the updates are fetched, last 3 seconds ago, and 2 wait", "last error": "", "pending": "", "secret age": ""}},
		"fetched by another": {func(w *status.Webhook) { w.State, w.Telegram, w.Polling = "standby", nil, new(status.Fetching) },
			map[string]string{"registration": "pass none: another node fetches", "last error": "", "pending": "", "secret age": ""}},
		"erased": {func(w *status.Webhook) {
			w.State, w.Detail, w.Telegram.URL, w.Advice = "failing", "refused with 400", "", "Do."
		}, map[string]string{"registration": "fail failing: refused with 400; Telegram has no webhook"}},
		"nothing registered": {func(w *status.Webhook) { w.Telegram.URL = "" }, map[string]string{"registration": "fail Telegram has no webhook, asked 3 minutes ago"}},
		"deleted":            {state("deleted", ""), alone("fail deleted")},
		"first attempt":      {state("pending", ""), alone("warn pending")},
		"superseded":         {state("superseded", ""), alone("warn superseded")},
		"another url":        {func(w *status.Webhook) { w.Telegram.URL = "https://other.example.com/" }, map[string]string{"registration": "fail Telegram has https://other.example.com/, asked 3 minutes ago"}},
		"no error":           {func(w *status.Webhook) { w.Telegram.LastError = "" }, map[string]string{"last error": "pass none"}},
		"a fresh error":      {lastError(59*time.Minute, 0), map[string]string{"last error": "warn Connection timed out, 59 minutes ago"}},
		"and updates wait":   {lastError(5*time.Minute, 2), map[string]string{"last error": "fail Connection timed out, 5 minutes ago", "pending": "pass 2 updates"}},
		"an old error":       {lastError(time.Hour, 2), map[string]string{"last error": "pass Connection timed out, 60 minutes ago", "pending": "pass 2 updates"}},
		"many wait":          {func(w *status.Webhook) { w.Telegram.Pending = 101 }, map[string]string{"pending": "warn 101 updates, asked 3 minutes ago"}},
		"not so many":        {func(w *status.Webhook) { w.Telegram.Pending = 100 }, map[string]string{"pending": "pass 100 updates"}},
		"due":                {func(w *status.Webhook) { w.Secret.Due = time.Now().Add(-time.Minute) }, nil},
		"overdue":            {func(w *status.Webhook) { w.Secret.Due = time.Now().Add(-2 * day) }, map[string]string{"secret age": "warn 12 days, its rotation is overdue by 2 days"}},
		"configured":         {func(w *status.Webhook) { w.Secret = status.Secret{Source: "configured"} }, map[string]string{"secret age": "pass not known: the secret is configured"}},
	} {
		t.Run(name, func(t *testing.T) {
			w := registered()
			tc.change(w)
			expected := maps.Clone(sound)
			maps.Copy(expected, tc.want)
			for _, f := range Run(t.Context(), Options{Status: w}) {
				if expected[f.Check] == "" || (f.Remedy == "") != (f.Result == Pass) {
					t.Errorf("got %+v", f)
				}
				want(t, f, expected[f.Check])
				delete(expected, f.Check)
			}
			for check, finding := range expected {
				if finding != "" {
					t.Errorf("nothing about %s", check)
				}
			}
		})
	}
}

// TestDocumented requires that the documentation shows what an audit of a sound
// webhook finds.
func TestDocumented(t *testing.T) {
	net := site{}.start(t)
	findings := Run(t.Context(), Options{Target: target(t, auditedURL), Status: registered(), Roots: net.roots, Lookup: net.resolve, Dial: net.dial})
	const page = "docs/command.md"
	content, err := os.ReadFile(filepath.Join("../..", page))
	if err != nil {
		t.Fatal(err)
	}
	sample := regexp.MustCompile(`(?s)\$ caddy telegram-webhook audit\n.*?` + "```").FindString(string(content))
	for _, f := range findings {
		if line := regexp.MustCompile(`(?m)^pass  ` + f.Check + ` +` + regexp.QuoteMeta(f.Seen) + `$`); f.Result != Pass || !line.MatchString(sample) {
			t.Errorf("%s does not show %+v", page, f)
		}
	}
	if shown := len(regexp.MustCompile(`(?m)^pass  `).FindAllString(sample, -1)); shown != len(findings) {
		t.Errorf("%s shows %d findings, want %d", page, shown, len(findings))
	}
}
