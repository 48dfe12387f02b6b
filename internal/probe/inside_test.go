package probe

import (
	"fmt"
	"maps"
	"testing"
	"time"

	"github.com/caddy-telegram/telegramwebhook/internal/status"
)

// A sound webhook, and what is found when one thing is different.
func TestInside(t *testing.T) {
	now := time.Date(2026, 7, 28, 12, 0, 0, 0, time.UTC)
	const day = 24 * time.Hour
	sound := map[string]string{
		"registration": "pass registered 12 days ago by web-1",
		"telegram":     "pass has this url, asked 3 minutes ago",
		"last error":   "pass none",
		"pending":      "pass 2 updates wait, asked 3 minutes ago",
		"secret":       "pass kept, 12 days old, next in 18 days",
		"requests":     "pass 9 passed, refused 5 (5 no_secret)",
	}
	troubled := func(at time.Duration, pending int) func(*status.Webhook) {
		return func(s *status.Webhook) {
			s.Telegram.LastError, s.Telegram.LastErrorAt, s.Telegram.Pending = "Connection refused", now.Add(-at), pending
		}
	}
	for name, tc := range map[string]struct {
		change func(*status.Webhook)
		want   map[string]string // other than for a sound one; empty for nothing
	}{
		"sound": {func(*status.Webhook) {}, nil},
		"unmanaged": {func(s *status.Webhook) {
			s.State, s.Telegram, s.Secret = "unmanaged", nil, status.Secret{Source: "configured"}
		}, map[string]string{
			"registration": "pass something else registers the webhook, and this Caddy does not know how it stands",
			"telegram":     "", "last error": "", "pending": "", "secret": "pass configured",
		}},
		"failing": {func(s *status.Webhook) { s.State, s.Detail, s.Advice = "failing", "refused with 401.", "Do." }, map[string]string{
			"registration": "fail failing: refused with 401 -> Do.",
		}},
		"contested": {func(s *status.Webhook) {
			s.State, s.Detail, s.Advice, s.Telegram.URL = "contested", "somebody else", "Do.", "https://other.example.com/"
		}, map[string]string{
			"registration": "fail contested: somebody else -> Do.",
			"telegram":     "fail sends to https://other.example.com/, asked 3 minutes ago -> find who else uses this bot token; `register` takes the webhook back",
		}},
		"pending": {func(s *status.Webhook) { s.State, s.Advice, s.Telegram = "pending", "Wait.", nil }, map[string]string{
			"registration": "warn pending -> Wait.", "telegram": "", "last error": "", "pending": "",
		}},
		"superseded": {func(s *status.Webhook) { s.State, s.Advice, s.Telegram = "superseded", "Do.", nil }, map[string]string{
			"registration": "warn superseded -> Do.", "telegram": "", "last error": "", "pending": "",
		}},
		"deleted": {func(s *status.Webhook) { s.State, s.Advice, s.Telegram = "deleted", "Do.", nil }, map[string]string{
			"registration": "fail deleted -> Do.", "telegram": "", "last error": "", "pending": "",
		}},
		"no webhook": {func(s *status.Webhook) { s.Telegram.URL = "" }, map[string]string{
			"telegram": "fail has no webhook, asked 3 minutes ago -> see registration; `register` registers it now",
		}},
		"fresh error": {troubled(59*time.Minute, 0), map[string]string{
			"last error": "warn Connection refused, 59 minutes ago, but no update waits -> " + reach,
			"pending":    "pass 0 updates wait, asked 3 minutes ago",
		}},
		"fresh error, updates wait": {troubled(0, 2), map[string]string{
			"last error": "fail Connection refused, 0 seconds ago, and 2 updates wait -> " + reach,
		}},
		"old error": {troubled(time.Hour, 2), map[string]string{"last error": "pass Connection refused, 60 minutes ago"}},
		"many wait": {func(s *status.Webhook) { s.Telegram.Pending = 101 }, map[string]string{
			"pending": "warn 101 updates wait, asked 3 minutes ago -> see last error; if there is none, the bot is too slow for what comes",
		}},
		"one waits": {func(s *status.Webhook) { s.Telegram.Pending = 1 }, map[string]string{"pending": "pass 1 update waits, asked 3 minutes ago"}},
		"listener wrapper": {func(s *status.Webhook) {
			s.Listener = &status.Listener{Penalized: 2, Dropped: map[string]uint64{"penalty": 410, "address": 3}}
		}, map[string]string{"listener": "pass dropped 413 (410 penalty, 3 address); barred now: 2"}},
		"not so many": {func(s *status.Webhook) { s.Telegram.Pending = 100 }, map[string]string{"pending": "pass 100 updates wait, asked 3 minutes ago"}},
		"due": {func(s *status.Webhook) { s.Secret.Due = now.Add(-time.Minute) }, map[string]string{
			"secret": "pass kept, 12 days old, next in 0 seconds",
		}},
		"overdue": {func(s *status.Webhook) { s.Secret.Due = now.Add(-2 * day) }, map[string]string{
			"secret": "warn kept, 12 days old, overdue by 2 days -> see registration, and the log for why it was not renewed; `rotate` tries it now",
		}},
		"weak": {func(s *status.Webhook) { s.Secret = status.Secret{Source: "configured", Weak: true} }, map[string]string{
			"secret": "warn configured, weak -> take a random one, as `secret` prints it",
		}},
		"never renewed": {func(s *status.Webhook) { s.Secret.Due = time.Time{} }, map[string]string{"secret": "pass kept, 12 days old, not renewed by itself"}},
		"too large": {func(s *status.Webhook) { s.Requests["too_large"] = 1 }, map[string]string{
			"requests": "warn 9 passed, refused 6 (5 no_secret, 1 too_large) -> updates with the right secret are longer than max_body; raise it",
		}},
		"behind a proxy": {func(s *status.Webhook) { s.Requests = map[string]uint64{"plain_http": 3} }, map[string]string{
			"requests": "warn 0 passed, refused 3 (3 plain_http) -> if Telegram comes by way of a proxy, set trusted_proxies; docs/logs.md says what each reason means",
		}},
		"a quiet one": {func(s *status.Webhook) { s.Requests = map[string]uint64{"passed": 0, "no_secret": 0} }, map[string]string{
			"requests": "pass 0 passed, refused none",
		}},
		"strangers only": {func(s *status.Webhook) { s.Requests["passed"], s.Requests["wrong_secret"] = 0, 6 }, map[string]string{
			"requests": "pass 0 passed, refused 11 (6 wrong_secret, 5 no_secret)",
		}},
		"some by http": {func(s *status.Webhook) { s.Requests["plain_http"] = 2 }, map[string]string{
			"requests": "pass 9 passed, refused 7 (5 no_secret, 2 plain_http)",
		}},
	} {
		s := status.Webhook{
			State: "registered", URL: "https://bot.example.com/", RegisteredAt: now.Add(-12 * day), RegisteredBy: "web-1",
			Telegram: &status.Telegram{At: now.Add(-3 * time.Minute), URL: "https://bot.example.com/", Pending: 2},
			Secret:   status.Secret{Source: "kept", Made: now.Add(-12 * day), Due: now.Add(18 * day)},
			Requests: map[string]uint64{"passed": 9, "no_secret": 5, "wrong_secret": 0},
		}
		tc.change(&s)
		want := maps.Clone(sound)
		maps.Copy(want, tc.want)
		for _, f := range Inside(s, now) {
			got := fmt.Sprintf("%s %s", f.Result, f.Seen)
			if f.Remedy != "" {
				got += " -> " + f.Remedy
			}
			if (f.Remedy == "") != (f.Result == Pass) || got != want[f.Check] {
				t.Errorf("%s: %s: got %q, want %q", name, f.Check, got, want[f.Check])
			}
			delete(want, f.Check)
		}
		for check, found := range want {
			if found != "" {
				t.Errorf("%s: nothing about %s", name, check)
			}
		}
	}
}
