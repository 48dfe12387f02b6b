package botapi

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

const noWebhook = `{"ok":true,"result":{"url":"","has_custom_certificate":false,"pending_update_count":0}}`

func TestPaths(t *testing.T) {
	for _, tc := range []struct {
		suffix string
		test   bool
		want   string
	}{
		{"", false, "/bot" + plantedToken + "/getWebhookInfo"},
		{"/", false, "/bot" + plantedToken + "/getWebhookInfo"},
		{"", true, "/bot" + plantedToken + "/test/getWebhookInfo"},
		{"/", true, "/bot" + plantedToken + "/test/getWebhookInfo"},
		{"/telegram/api", false, "/telegram/api/bot" + plantedToken + "/getWebhookInfo"},
		{"/telegram/api/", false, "/telegram/api/bot" + plantedToken + "/getWebhookInfo"},
		{"/telegram/api/", true, "/telegram/api/bot" + plantedToken + "/test/getWebhookInfo"},
		{"/a%2Fb", false, "/a%2Fb/bot" + plantedToken + "/getWebhookInfo"},
	} {
		s := record(t, noWebhook)
		c := NewClient(account(t, plantedToken, s.URL+tc.suffix, tc.test), nil)
		if _, err := c.GetWebhookInfo(context.Background()); err != nil {
			t.Fatal(err)
		}
		if got := s.only(t).path; got != tc.want {
			t.Errorf("%q, test %v: got %s, want %s", tc.suffix, tc.test, got, tc.want)
		}
	}
	u := client(t, "").endpoint("setWebhook")
	if got := u.String(); got != "https://api.telegram.org/bot"+plantedToken+"/setWebhook" {
		t.Errorf("by default: %s", got)
	}
}

func TestServer(t *testing.T) {
	const form = "is not the URL of a Bot API server; it must look like https://api.telegram.org"
	const clear = "would send the bot token in clear; use https:// (http:// is for a local Bot API server)"
	for api, want := range map[string]string{
		"":                                  "",
		"https://api.telegram.org":          "",
		"https://api.telegram.org/":         "",
		"http://localhost:8081":             "",
		"http://telegram-bot-api:8081/x/":   "",
		"http://[::1]:8081":                 "",
		"http://nottelegram.org":            "",
		"https://user:password@example.org": "",
		"localhost:8081":                    form,
		"api.telegram.org":                  form,
		"//api.telegram.org":                form,
		"ftp://api.telegram.org":            form,
		"https://":                          form,
		"https://:8081":                     form,
		"https:api.telegram.org":            form,
		"unix//run/bot-api.sock":            form,
		"https://user:planted\x7f@x":        form,
		"https://example.org/?token=":       form,
		"https://example.org/?":             form,
		"https://example.org/#x":            form,
		"http://api.telegram.org":           clear,
		"http://API.Telegram.org.:80/":      clear,
		"http://telegram.org":               clear,
	} {
		got := ""
		if _, err := NewAccount(plantedToken, api, false); err != nil {
			got = strings.TrimPrefix(err.Error(), "api: ")
		}
		if got != want {
			t.Errorf("%q: got %q, want %q", api, got, want)
		}
	}
}

func TestPasswordInAPI(t *testing.T) {
	s := record(t, `{}`)
	api := strings.Replace(s.URL, "http://", "http://me:planted-password@", 1)
	_, err := client(t, api).GetWebhookInfo(context.Background())
	if s.only(t).header.Get("Authorization") == "" {
		t.Error("user and password are not used")
	}
	if err == nil || !strings.Contains(err.Error(), s.URL) || leaks(printed(err), "planted-password") != nil {
		t.Errorf("got %v", err)
	}
}

// The default client gives up after 30 seconds, and keeps no connection.
func TestDefaultClient(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := client(t, "http://bot-api.test")
		transport := c.http.Transport.(*http.Transport)
		if transport.Proxy == nil || !transport.DisableKeepAlives {
			t.Errorf("proxy %v, kept connections %v", transport.Proxy != nil, !transport.DisableKeepAlives)
		}
		transport.Proxy = nil
		transport.DialContext = func(context.Context, string, string) (net.Conn, error) {
			ours, theirs := net.Pipe()
			go io.Copy(io.Discard, theirs) // a server that reads and says nothing
			return ours, nil
		}
		start := time.Now()
		_, err := c.GetWebhookInfo(context.Background())
		if took := time.Since(start); took != 30*time.Second || !strings.Contains(err.Error(), "time-out") {
			t.Errorf("after %v: %v", took, err)
		}
		search(t, "the error", err)
	})
}

// What a server sends beyond its answer would go into the log of net/http, if
// the connection were kept. TestMain searches that log.
func TestMoreThanTheAnswer(t *testing.T) {
	s := serve(t, raw(func(r *http.Request) string {
		return fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s%s", len(noWebhook), noWebhook, r.RequestURI)
	}))
	if _, err := client(t, s.URL).GetWebhookInfo(context.Background()); err != nil {
		t.Error(err)
	}
}

// A redirect is not followed.
func TestRedirect(t *testing.T) {
	elsewhere := record(t, noWebhook)
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, elsewhere.URL+r.URL.Path, http.StatusFound)
	})
	if _, err := client(t, s.URL).GetWebhookInfo(context.Background()); err == nil || !strings.Contains(err.Error(), "302") {
		t.Errorf("got %v", err)
	}
	if len(elsewhere.requests) != 0 {
		t.Error("followed")
	}
}

func TestClientIsPrintedWithoutToken(t *testing.T) {
	c := client(t, "http://me:planted-password@localhost:8081")
	search(t, "a client", c)
	search(t, "a client's value", *c)
	if found := leaks(printed(c), "planted-password"); found != nil {
		t.Errorf("a client shows %q", found)
	}
}

func TestConcurrentCalls(t *testing.T) {
	s := record(t, noWebhook)
	c := client(t, s.URL)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			if _, err := c.GetWebhookInfo(context.Background()); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if len(s.requests) != 8 {
		t.Errorf("%d requests", len(s.requests))
	}
}
