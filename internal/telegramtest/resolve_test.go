package telegramtest

import (
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// DNS is asked again after half an hour. The old connection takes one more request.
func TestMovedHost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var moved, broken atomic.Bool
		p := &pipes{answer: func(int, string) string { return ok }}
		a := newAPI(t, p, APIOptions{Local: true, Resolve: func(string) ([]netip.Addr, error) {
			switch {
			case broken.Load():
				return nil, nil
			case moved.Load():
				return []netip.Addr{netip.MustParseAddr("192.0.2.2")}, nil
			}
			return []netip.Addr{netip.MustParseAddr("192.0.2.1")}, nil
		}})
		call(t, a, setPath, "url", plainURL).is(t, 200, "Webhook was set")
		uses := func(ip string) {
			t.Helper()
			if got := info(t, a); !strings.Contains(got, `"ip_address":"`+ip+`"`) {
				t.Errorf("want %s: got %s", ip, got)
			}
		}
		moved.Store(true)
		send := func() {
			a.Send(token, []byte(inChat(1, 1)))
			wait(t, a.Sender(token))
		}
		time.Sleep(29 * time.Minute)
		for range 12 { // keeps the connection open
			send()
			time.Sleep(30 * time.Second)
		}
		uses("192.0.2.2")
		equal(t, "dialed", p.dialed, []string{"tcp4 192.0.2.1:80", "tcp4 192.0.2.1:80", "tcp4 192.0.2.2:80"})
		broken.Store(true)
		time.Sleep(time.Hour)
		uses("192.0.2.2")
	})
}

// Until the host is resolved its address is not known.
func TestUnknownAddress(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		slow := make(chan bool)
		a := newAPI(t, nil, APIOptions{Resolve: func(string) ([]netip.Addr, error) {
			<-slow
			return []netip.Addr{netip.MustParseAddr("8.8.8.8")}, nil
		}})
		set := make(chan result, 1)
		go func() { set <- call(t, a, setPath, "url", hookURL) }()
		synctest.Wait()
		if got := info(t, a); !strings.Contains(got, `"ip_address":"<unknown>"`) {
			t.Errorf("got %s", got)
		}
		close(slow)
		(<-set).is(t, 200, "Webhook was set")
		if got := info(t, a); !strings.Contains(got, `"ip_address":"8.8.8.8"`) {
			t.Errorf("got %s", got)
		}
	})
}

// While a certificate is being kept every other call has to wait.
func TestCopiedCertificate(t *testing.T) {
	_, self := authority{}.issue(t, certTemplate("bot.example.com"))
	synctest.Test(t, func(t *testing.T) {
		slow := make(chan bool)
		a := newAPI(t, nil, APIOptions{CopyCertificate: func() { <-slow }})
		set := make(chan result, 1)
		go func() { set <- upload(t, a, toPEM(self.cert), "url", hookURL) }()
		synctest.Wait()
		time.Sleep(time.Second)
		call(t, a, setPath, "url", hookURL).is(t, 429, "Too Many Requests: retry after 1")
		call(t, a, deletePath).is(t, 429, "Too Many Requests: retry after 1")
		call(t, a, pollPath).is(t, 409, "Conflict: can't use getUpdates method while webhook is active; use deleteWebhook to delete the webhook first")
		if got := info(t, a); got != noWebhook {
			t.Errorf("got %s", got)
		}
		close(slow)
		(<-set).is(t, 200, "Webhook was set")
	})
}
