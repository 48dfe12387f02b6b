package telegramtest

import (
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

const (
	setPath    = "/bot" + token + "/setWebhook"
	deletePath = "/bot" + token + "/deleteWebhook"
	pollPath   = "/bot" + token + "/getUpdates"
	hookURL    = "https://bot.example.com/hook"
	plainURL   = "http://bot.example.com/hook" // for pipes, and with Local

	noWebhook = `{"url":"","has_custom_certificate":false,"pending_update_count":0}`
)

func TestSetAndDelete(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newAPI(t, nil, APIOptions{})
		if got := info(t, a); got != noWebhook {
			t.Errorf("at first: %s", got)
		}
		call(t, a, deletePath).is(t, 200, "Webhook is already deleted")
		call(t, a, setPath, "url", hookURL, "secret_token", "s3-cret_").is(t, 200, "Webhook was set")
		want := `{"url":"` + hookURL + `","has_custom_certificate":false,"pending_update_count":0,"max_connections":40,"ip_address":"203.0.113.10"}`
		if got := info(t, a); got != want {
			t.Errorf("set: %s", got)
		}
		if got := a.Webhook(token).Secret; got != "s3-cret_" {
			t.Errorf("secret %q", got)
		}
		call(t, a, pollPath).is(t, 409, "Conflict: can't use getUpdates method while webhook is active; use deleteWebhook to delete the webhook first")
		if got := a.Webhook(token + "/test").URL; got != "" {
			t.Errorf("in the test environment: %q", got)
		}
		call(t, a, deletePath).is(t, 200, "Webhook was deleted")
		call(t, a, setPath, "url", "").is(t, 200, "Webhook is already deleted")
		if got := info(t, a); got != noWebhook {
			t.Errorf("deleted: %s", got)
		}
	})
}

// One call with a url passes per bot and second, even one that changes nothing.
func TestOncePerSecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newAPI(t, nil, APIOptions{})
		call(t, a, setPath, "url", hookURL).is(t, 200, "Webhook was set")
		time.Sleep(time.Second - 1)
		r := call(t, a, setPath, "url", hookURL)
		r.is(t, 429, "Too Many Requests: retry after 1")
		if r.RetryAfter != "1" || r.Parameters.RetryAfter != 1 {
			t.Errorf("got %+v", r)
		}
		call(t, a, "/bot"+token+"/test/setWebhook", "url", hookURL).is(t, 200, "Webhook was set")
		time.Sleep(time.Nanosecond)
		call(t, a, setPath, "url", hookURL).is(t, 200, "Webhook is already set")
		call(t, a, setPath, "url", hookURL).is(t, 429, "Too Many Requests: retry after 1")
		call(t, a, setPath, "url", "").is(t, 200, "Webhook was deleted")
		call(t, a, setPath, "url", hookURL).is(t, 429, "Too Many Requests: retry after 1")
		if got := info(t, a); got != noWebhook {
			t.Errorf("got %s", got)
		}
	})
}

// With a difference in any of what counts the webhook is made anew.
func TestAlreadySet(t *testing.T) {
	_, self := authority{}.issue(t, certTemplate("bot.example.com"))
	base := []string{"url", plainURL, "secret_token", "a", "max_connections", "7", "ip_address", "1.1.1.1"}
	for _, test := range []struct {
		change      []string
		certificate bool
		want        string
	}{
		{nil, false, "Webhook is already set"},
		{[]string{"allowed_updates", `["poll"]`}, false, "Webhook is already set"},
		{[]string{"url", plainURL + "2"}, false, "Webhook was set"},
		{[]string{"secret_token", "b"}, false, "Webhook was set"},
		{[]string{"secret_token", ""}, false, "Webhook was set"},
		{[]string{"max_connections", "8"}, false, "Webhook was set"},
		{[]string{"max_connections", ""}, false, "Webhook was set"},
		{[]string{"ip_address", "1.0.0.1"}, false, "Webhook was set"},
		{[]string{"ip_address", ""}, false, "Webhook was set"},
		{[]string{"drop_pending_updates", "True"}, false, "Webhook was set"},
		{nil, true, "Webhook was set"},
	} {
		synctest.Test(t, func(t *testing.T) {
			p := &pipes{answer: func(int, string) string { return failing(500) }}
			a := newAPI(t, p, APIOptions{Local: true})
			call(t, a, setPath, base...).is(t, 200, "Webhook was set")
			a.Send(token, Updates()["message"])
			time.Sleep(time.Second)
			if got := info(t, a); !strings.Contains(got, `"last_error_date":946684800,"last_error_message":"Wrong response from the webhook: 500 Internal Server Error"`) ||
				!strings.Contains(got, `"pending_update_count":1`) {
				t.Errorf("got %s", got)
			}
			before := len(p.got())
			changed := strings.Join(test.change, " ")
			params := append(append([]string{}, base...), test.change...)
			if test.certificate {
				upload(t, a, toPEM(self.cert), params...).is(t, 200, test.want)
			} else {
				call(t, a, setPath, params...).is(t, 200, test.want)
			}
			synctest.Wait()
			wantAnew := test.want == "Webhook was set" && !strings.HasPrefix(changed, "drop")
			if anew := len(p.got()) > before; anew != wantAnew {
				t.Errorf("%s: the schedule began anew: %v", changed, anew)
			}
			if got := info(t, a); strings.Contains(got, "poll") != strings.Contains(changed, "poll") {
				t.Errorf("%s: got %s", changed, got)
			}
		})
	}
}

func TestMaxConnectionsClamped(t *testing.T) {
	for _, test := range []struct {
		local bool
		value string
		want  int
	}{
		{false, "", 40}, {false, "0", 1}, {false, "-3", 1}, {false, "1", 1}, {false, "100", 100}, {false, "101", 100},
		{false, "many", 1}, {true, "100000", 100000}, {true, "100001", 100000},
	} {
		a := newAPI(t, nil, APIOptions{Local: test.local})
		call(t, a, setPath, "url", hookURL, "max_connections", test.value).is(t, 200, "Webhook was set")
		if got := a.Webhook(token).MaxConnections; got != test.want {
			t.Errorf("%+v: got %d", test, got)
		}
	}
}

// The clock of the API dates errors too.
func TestClock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &pipes{answer: func(int, string) string { return failing(500) }}
		a := newAPI(t, p, APIOptions{Local: true, Now: func() time.Time { return time.Unix(1234567890, 0) }})
		call(t, a, setPath, "url", plainURL).is(t, 200, "Webhook was set")
		a.Send(token, Updates()["message"])
		synctest.Wait()
		if got := info(t, a); !strings.Contains(got, `"last_error_date":1234567890,`) {
			t.Errorf("got %s", got)
		}
	})
}

// What a name resolves to is shown and dialed.
func TestResolved(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &pipes{answer: func(int, string) string { return ok }}
		a := newAPI(t, p, APIOptions{Local: true, Resolve: func(string) ([]netip.Addr, error) {
			return []netip.Addr{netip.MustParseAddr("2001:db8::1"), netip.MustParseAddr("192.0.2.9")}, nil
		}})
		call(t, a, setPath, "url", "http://bot.example.com:5000/").is(t, 200, "Webhook was set")
		a.Send(token, Updates()["message"])
		wait(t, a.Sender(token))
		equal(t, "dialed", p.dialed, []string{"tcp4 192.0.2.9:5000"})
		if got := info(t, a); !strings.Contains(got, `"ip_address":"192.0.2.9"`) {
			t.Errorf("got %s", got)
		}
	})
}

// A call that comes while another is under way ends that one.
func TestTerminated(t *testing.T) {
	for path, want := range map[string]string{setPath: "Webhook was set", deletePath: "Webhook was deleted"} {
		synctest.Test(t, func(t *testing.T) {
			slow := make(chan bool)
			a := newAPI(t, nil, APIOptions{Resolve: func(host string) ([]netip.Addr, error) {
				if host == "slow.example.com" {
					<-slow
				}
				return []netip.Addr{netip.MustParseAddr("8.8.8.8")}, nil
			}})
			first := make(chan result, 1)
			go func() { first <- call(t, a, setPath, "url", "https://slow.example.com/") }()
			synctest.Wait()
			call(t, a, pollPath).is(t, 409, "Conflict: can't use getUpdates method while webhook is active; use deleteWebhook to delete the webhook first")
			time.Sleep(time.Second)
			call(t, a, path, "url", hookURL).is(t, 200, want)
			(<-first).is(t, 409, "Conflict: terminated by other setWebhook")
			close(slow)
			synctest.Wait()
			if got, want := a.Webhook(token).URL, map[string]string{setPath: hookURL}[path]; got != want {
				t.Errorf("got %q, want %q", got, want)
			}
		})
	}
}

// 23 hours of 410 remove the webhook from the API too.
func TestGoneFromAPI(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &pipes{answer: func(int, string) string { return failing(410) }}
		a := newAPI(t, p, APIOptions{Local: true})
		call(t, a, setPath, "url", plainURL)
		a.Send(token, Updates()["message"])
		time.Sleep(22 * time.Hour)
		if got := info(t, a); !strings.Contains(got, plainURL) || !strings.Contains(got, "410 Gone") {
			t.Errorf("after 22 hours: %s", got)
		}
		time.Sleep(90 * time.Minute)
		if got := info(t, a); got != strings.Replace(noWebhook, ":0}", ":1}", 1) {
			t.Errorf("after 23 hours: %s", got)
		}
	})
}
