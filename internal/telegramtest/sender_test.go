package telegramtest

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// A failing update holds up its chat and nothing else, and keeps its place.
func TestQueues(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fails := 3
		p := &pipes{answer: func(_ int, update string) string {
			if update == inChat(1, 7) && fails > 0 {
				fails--
				return failing(502)
			}
			return ok
		}}
		s := start(t, p, Webhook{}, Options{})
		for _, u := range []string{inChat(1, 7), inChat(2, 7), inChat(3, 8), inChat(4, 8), inChat(5, 7)} {
			s.Send([]byte(u))
		}
		synctest.Wait()
		if got := s.Stats(); got.Delivered != 2 || got.Pending != 3 {
			t.Errorf("before the pause: got %+v", got)
		}
		wait(t, s)
		var seven, eight []string
		for _, u := range p.got() {
			if strings.HasSuffix(u, `{"id":7}}}`) {
				seven = append(seven, u)
			} else {
				eight = append(eight, u)
			}
		}
		first := inChat(1, 7)
		equal(t, "chat 7", seven, []string{first, first, first, first, inChat(2, 7), inChat(5, 7)})
		equal(t, "chat 8", eight, []string{inChat(3, 8), inChat(4, 8)})
		if stats := s.Stats(); stats.LastError != "Wrong response from the webhook: 502 Bad Gateway" {
			t.Errorf("the last error did not stay: %+v", stats)
		}
	})
}

// One update of a queue is under way at a time, and no more than there may be
// connections in all.
func TestMaxConnections(t *testing.T) {
	for _, test := range []struct{ max, chats, want int }{
		{1, 5, 1}, {3, 5, 3}, {0, 60, 40}, {100, 1, 1},
	} {
		synctest.Test(t, func(t *testing.T) {
			p := &pipes{answer: func(int, string) string {
				time.Sleep(time.Second)
				return ok
			}}
			s := start(t, p, Webhook{MaxConnections: test.max}, Options{})
			for i := range 2 * test.chats {
				s.Send([]byte(inChat(i, 1+i%test.chats)))
			}
			wait(t, s)
			stats := s.Stats()
			if p.most != test.want || stats.Connections != test.want || stats.Delivered != 2*test.chats {
				t.Errorf("%+v: %d at once, %+v", test, p.most, stats)
			}
		})
	}
}

// Many queues that wait to be tried again leave no room for the others.
func TestStall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &pipes{answer: func(_ int, update string) string {
			if strings.HasSuffix(update, `{"id":9}}}`) {
				return ok
			}
			return failing(503, "Retry-After: 600\r\n")
		}}
		s := start(t, p, Webhook{MaxConnections: 2}, Options{})
		for i := range 4 {
			s.Send([]byte(inChat(i, 1+i)))
		}
		s.Send([]byte(inChat(4, 9)))
		time.Sleep(599 * time.Second)
		if slices.Contains(p.got(), inChat(4, 9)) {
			t.Error("the fifth chat was not held up by four that fail")
		}
		s.SetWebhook(Webhook{URL: "http://bot.example.com/", MaxConnections: 3})
		synctest.Wait()
		if !slices.Contains(p.got(), inChat(4, 9)) {
			t.Error("the fifth chat was held up by four that fail, with room for six")
		}
	})
}

// A new registration is used from then on, begins the schedule anew, and cuts
// what is under way: that update is delivered again.
func TestSetWebhook(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var l log
		hold := make(chan bool)
		p := &pipes{answer: func(n int, update string) string {
			switch {
			case n == 1:
				<-hold
			case 2 <= n && n <= 4:
				return failing(500)
			}
			return ok
		}}
		s := start(t, p, Webhook{Secret: "old"}, Options{OnAttempt: l.add})
		s.Send([]byte(inChat(9, 9)))
		wait(t, s)
		s.Send([]byte(inChat(1, 1)))
		synctest.Wait()
		s.Send([]byte(inChat(2, 2)))
		time.Sleep(5 * time.Second) // three failures of the second
		if stats := s.Stats(); stats.LastError == "" || stats.Failed != 3 || stats.Connections != 2 {
			t.Errorf("before: got %+v", stats)
		}

		s.SetWebhook(Webhook{URL: "http://other.example.com:8443/", Secret: "new", IPAddress: "192.0.2.1"})
		wait(t, s)
		close(hold)
		synctest.Wait()

		secrets := []string{"old", "old", "old", "old", "old", "new", "new"}
		equal(t, "secrets", p.secrets, secrets)
		equal(t, "dialed", p.dialed[:3], []string{"tcp4 bot.example.com:80", "tcp4 bot.example.com:80", "tcp4 192.0.2.1:8443"})
		again := p.got()[5:]
		slices.Sort(again)
		equal(t, "delivered anew", again, []string{inChat(1, 1), inChat(2, 2)})
		if stats := s.Stats(); stats.LastError != "" || stats.Delivered != 3 || stats.Failed != 3 {
			t.Errorf("after: got %+v", stats)
		}
		var cut, fresh bool
		for _, a := range l.all() {
			cut = cut || a.UpdateID == 1 && errors.Is(a.Err, errSuperseded) && !a.Delivered
			fresh = fresh || a.UpdateID == 2 && a.Try == 1 && a.Delivered
		}
		if !cut || !fresh {
			t.Errorf("attempts %+v", l.all())
		}
	})
}

// A registration from within OnAttempt neither blocks nor delivers again what
// was just confirmed.
func TestSetWebhookOnAttempt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &pipes{answer: func(int, string) string { return ok }}
		var s *Sender
		s = start(t, p, Webhook{MaxConnections: 1}, Options{OnAttempt: func(a Attempt) {
			s.SetWebhook(Webhook{URL: "http://bot.example.com/", MaxConnections: 1})
		}})
		want := []string{}
		for i := range 9 {
			want = append(want, inChat(i, 1))
			s.Send([]byte(want[i]))
		}
		wait(t, s)
		equal(t, "delivered", p.got(), want)
	})
}

// What was confirmed in the moment of a registration does not stop those behind
// it.
func TestSetWebhookBehindConfirmed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &pipes{answer: func(n int, update string) string {
			if update == inChat(3, 3) {
				time.Sleep(time.Second)
			} else if 0 < n && n < 6 {
				time.Sleep(time.Minute)
			}
			return ok
		}}
		var s *Sender
		s = start(t, p, Webhook{}, Options{OnAttempt: func(a Attempt) {
			if a.UpdateID == 3 {
				s.SetWebhook(Webhook{URL: "http://bot.example.com/", MaxConnections: 1})
			}
		}})
		s.Send([]byte(inChat(9, 9))) // with it the connection is an active one, and there may be more
		wait(t, s)
		for i := 1; i <= 5; i++ {
			s.Send([]byte(inChat(i, i)))
		}
		wait(t, s)
		time.Sleep(time.Minute) // for the answers that nobody waits for any more
		equal(t, "delivered anew", p.got()[6:], []string{inChat(1, 1), inChat(2, 2), inChat(4, 4), inChat(5, 5)})
	})
}

func TestClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hold := make(chan bool)
		p := &pipes{answer: func(int, string) string { <-hold; return ok }}
		s := start(t, p, Webhook{}, Options{})
		s.Send([]byte(inChat(1, 1)))
		waited := make(chan error, 1)
		go func() { waited <- s.Wait(t.Context()) }()
		synctest.Wait()
		s.Close()
		if err := <-waited; err == nil {
			t.Error("waited to the end although the sender was closed")
		}
		s.Send([]byte(inChat(2, 2)))
		s.SetWebhook(Webhook{URL: "http://bot.example.com/"})
		close(hold)
		synctest.Wait()
		if len(p.got()) != 1 || len(p.closes()) != 1 || s.Stats().Pending != 1 {
			t.Errorf("got %q, %d closed, %+v", p.got(), len(p.closes()), s.Stats())
		}
	})
}
