package probe

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/caddy-telegram/telegramwebhook/internal/wire"
)

func target(t *testing.T, url string) wire.Target {
	t.Helper()
	target, err := wire.ParseTarget(url)
	if err != nil {
		t.Fatal(err)
	}
	return target
}

// However many more a check would like to make, there are 40.
func TestMaxRequests(t *testing.T) {
	dialed := 0
	a := &audit{
		target: target(t, "http://bot.example.com/"), ip: netip.MustParseAddr("192.0.2.1"),
		opt: Options{Dial: func(context.Context, string, string) (net.Conn, error) {
			dialed++
			return nil, errors.New("nobody there")
		}},
	}
	for range 2 * MaxRequests {
		a.ask(t.Context(), a.target, a.target.Request("", update()))
	}
	if dialed != MaxRequests || a.made != MaxRequests {
		t.Errorf("dialed %d times, counted %d", dialed, a.made)
	}
	if answer := a.ask(t.Context(), a.target, a.target.Request("", update())); !errors.Is(answer.Err, errTooMany) {
		t.Errorf("got %v", answer.Err)
	}
}

func TestVariants(t *testing.T) {
	for url, want := range map[string][]string{
		"https://a/telegram": {
			"//telegram", "/telegram/", "/TELEGRAM", "/telegram.", "/telegram;x", "/telegram%2f", "/telegram%20", "/telegram/x",
			"/./telegram", "/x/../telegram", "/%74elegram", "/telegram?audit=1",
		},
		"https://a/one/two/?x=1": {
			"//one/two/?x=1", "/one/two//?x=1", "/one/two?x=1", "/ONE/TWO/?x=1", "/one/two/.?x=1", "/one/two/;x?x=1", "/one/two/%2f?x=1",
			"/one/two/%20?x=1", "/one/two//x?x=1", "/./one/two/?x=1", "/x/../one/two/?x=1", "/one/two/?x=1&audit=1",
		},
		"https://a": {"//", "/.", "/;x", "/%2f", "/%20", "//x", "/./", "/x/../", "/?audit=1"},
	} {
		var got []string
		for _, v := range variants(target(t, url)) {
			got = append(got, v.Query)
			if v.Query = target(t, url).Query; v != target(t, url) {
				t.Errorf("%s: more than path and query differ: %v", url, v)
			}
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s: got %q, want %q", url, got, want)
		}
	}
}

func TestWeakness(t *testing.T) {
	for secret, want := range map[string]string{
		"LnichTVtQ4wctdOX_CsyDin70czYhCy8t8tvxVAp8Tg":                      "", // base64url
		"9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08": "", // hexadecimal
		"JBSWY3DPEHPK3PXPJBSWY4DPEH":                                       "", // base32
		"314159265358979323846264338327950288419":                          "",
		"Kq3v9-Zt_7LwXb2RmYd5H":                                            "has 21 characters",
		"Kq3v9-Zt_7Kq3v9-Zt_7Kq3v9-Zt_7":                                   "repeats itself",
		"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaa":                                   "repeats itself",
		"abacabadabacabaeabacabadabacaba":                                  "repeats itself",
		"My_Telegram_bot_2026_in_Berlin":                                   "holds a word",
		"q7_123456_Xv0LmZpRtYwK3n":                                         "holds a word",
		"31415926535897932384626433":                                       "has digits only",
		"correcthorsebatterystaple":                                        "has nothing but letters of one case",
		"CORRECTHORSEBATTERYSTAPLE":                                        "has nothing but letters of one case",
	} {
		if got := weakness(secret); !strings.HasPrefix(got, want) || want == "" && got != "" {
			t.Errorf("%s: got %q, want %q", secret, got, want)
		}
	}
}

func TestMaxAge(t *testing.T) {
	for hsts, want := range map[string]int{
		"max-age=31536000": 31536000, `includeSubDomains; Max-Age="60"; preload`: 60, "max-age=0": 0, "": 0, "max-age": 0, "max-age=-1": 0, "max-age=x": 0,
	} {
		if got, ok := maxAge(hsts); got != want && ok || want > 0 && !ok {
			t.Errorf("%q: got %d, %v", hsts, got, ok)
		}
	}
}

// What error pages show, and what other bodies do not.
func TestTrace(t *testing.T) {
	for body, want := range map[string]bool{
		"Traceback (most recent call last):\n":                                                 true,
		"goroutine 19 [running]:\n":                                                            true,
		"Error: no\n    at check (/app/bot.js:12:5)":                                           true,
		"Fatal error: Uncaught Exception in /var/www/bot.php on line 7":                        true,
		"java.lang.RuntimeException\n\tat org.example.Bot.check(Bot.java:7)":                   true,
		"You're seeing this error because you have DEBUG = True in your Django settings file.": true,
		"<tr><th>Exception Type:</th>":                                                         true,
		"PermissionDenied in /srv/bot/views.py":                                                true,
		"<h1>Whitelabel Error Page</h1>":                                                       true,
		"Forbidden":                                                                            false,
		`<script src="/static/app.js"></script><a href="/login.php">`:                          false,
		"See https://example.com/src/bot.py":                                                   false,
		"<h1>403 Forbidden</h1><hr>nginx":                                                      false,
		`{"ok":false,"error_code":403}`:                                                        false,
		"Visit us at https://bot.example.com":                                                  false,
	} {
		if got := trace.MatchString(body); got != want {
			t.Errorf("%q: got %v", body, got)
		}
	}
}
