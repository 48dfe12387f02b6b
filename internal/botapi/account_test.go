package botapi

import (
	"strings"
	"testing"
)

func TestCheckToken(t *testing.T) {
	const form = "is not a bot token; it must be what @BotFather gave: digits, a colon, and at least 30 of A-Z a-z 0-9 _ -"
	half := strings.Repeat("x", 30)
	for name, tc := range map[string]struct{ value, want string }{
		"usual":               {plantedToken, ""},
		"shortest":            {"1:" + half, ""},
		"every character":     {"123:abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-", ""},
		"longest":             {"123:" + strings.Repeat("x", 76), ""},
		"largest id":          {"18014398509481983:" + half, ""},
		"empty":               {"", "is empty"},
		"newline behind":      {plantedToken + "\n", form},
		"space in front":      {" " + plantedToken, form},
		"with bot":            {"bot" + plantedToken, `begins with "bot"; leave that out`},
		"too long":            {"123:" + strings.Repeat("x", 77), form},
		"half too short":      {"123:" + half[1:], form},
		"no colon":            {"123" + half, form},
		"no digits":           {":" + half, form},
		"leading zero":        {"0123:" + half, form},
		"negative":            {"-123:" + half, form},
		"slash":               {"123:" + half + "/", form},
		"two colons":          {"123:" + half + ":x", form},
		"placeholder":         {"{env.TELEGRAM_BOT_TOKEN_OF_THE_FIRST_BOT}", form},
		"newline within":      {"123:" + half + "\n" + half, form},
		"Cyrillic":            {"123:" + strings.Repeat("ж", 30), form},
		"id too large":        {"18014398509481984:" + half, form},
		"id of forty figures": {strings.Repeat("9", 40) + ":" + half, form},
	} {
		t.Run(name, func(t *testing.T) {
			err := CheckToken(tc.value)
			got := ""
			if err != nil {
				got = err.Error()
			}
			if got != tc.want {
				t.Errorf("got error %q, want %q", got, tc.want)
			}
			search(t, "the error", err)
		})
	}
}

func TestAccountIsPrintedWithoutToken(t *testing.T) {
	a := account(t, plantedToken, "http://me:planted-password@localhost:8081", true)
	type config struct {
		Public  *Account
		private Account
	}
	for what, v := range map[string]any{"an account": a, "its value": *a, "a struct with one": config{a, *a}, "a pointer to it": &config{a, *a}} {
		search(t, what, v)
		if found := leaks(printed(v), "planted-password"); found != nil {
			t.Errorf("%s shows %q", what, found)
		}
	}
}

// TestKey names bots in storage.
func TestKey(t *testing.T) {
	key := func(id, api string, test bool) string { return account(t, id+":"+plantedHalf, api, test).Key() }
	for _, api := range []string{"", "https://api.telegram.org", "https://api.telegram.org/", "https://API.telegram.org:443"} {
		if got := key("123", api, false); got != "telegram_webhook/123" {
			t.Errorf("%q: got %s", api, got)
		}
	}
	if got, want := key("123", "http://127.0.0.1:8081", true), "telegram_webhook/123-test-08d5f409"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	seen := map[string]bool{key("123", "", false): true}
	for _, key := range []string{
		key("12", "", false), key("123", "", true), key("123", "http://127.0.0.1:8081", false), key("123", "http://127.0.0.1:8081", true),
		key("123", "http://me:planted@127.0.0.1:8081", false),
	} {
		if seen[key] || strings.Contains(key, "planted") {
			t.Errorf("%s is another bot's too, or holds a password", key)
		}
		seen[key] = true
	}
}

// FuzzCheckToken looks for a value that gets through and would change the path
// of a request, and for an error that tells the value.
func FuzzCheckToken(f *testing.F) {
	f.Add(plantedToken)
	f.Add("1:../../../../../../../../../../etc/passwd")
	f.Add("bot" + plantedToken)
	f.Fuzz(func(t *testing.T, s string) {
		if err := CheckToken(s); err != nil {
			if len(s) > 15 && strings.Contains(err.Error(), s) {
				t.Errorf("the error tells the value: %v", err)
			}
			return
		}
		a := account(t, s, "", false)
		if want := "/bot" + s + "/getWebhookInfo"; NewClient(a, nil).endpoint("getWebhookInfo").RequestURI() != want {
			t.Errorf("path for %q", s)
		}
		if digits, _, _ := strings.Cut(s, ":"); a.ID() != digits {
			t.Errorf("ID %s of %q", a.ID(), s)
		}
	})
}
