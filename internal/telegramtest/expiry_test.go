package telegramtest

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestExpiry(t *testing.T) {
	for _, test := range []struct {
		update string
		want   []float64
	}{
		{`{"update_id":1,"inline_query":{"from":{"id":1}}}`, []float64{0, 0, 2, 6, 14, 30}},
		{`{"update_id":1,"callback_query":{"from":{"id":1}}}`, []float64{0, 0, 2, 6, 14, 30, 62}},
	} {
		synctest.Test(t, func(t *testing.T) {
			p := &pipes{answer: func(int, string) string { return failing(500) }}
			s := start(t, p, Webhook{}, Options{})
			begin := time.Now()
			s.Send([]byte(test.update))
			wait(t, s)
			got := p.seconds(begin)
			equal(t, test.update, got[:len(test.want)], test.want)
			for _, at := range got {
				if at > 150 {
					t.Errorf("%s: tried at %v s", test.update, at)
				}
			}
			if s.Stats().Expired != 1 {
				t.Error("not expired")
			}
		})
	}
}

// An update that is too old when its turn comes is never sent.
func TestExpiredBeforeFirstTry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &pipes{answer: func(int, string) string { return ok }}
		s := start(t, p, Webhook{}, Options{})
		s.SetWebhook(Webhook{})
		s.Send([]byte(`{"update_id":1,"inline_query":{"from":{"id":1}}}`))
		s.Send([]byte(inChat(2, 1)))
		time.Sleep(31 * time.Second)
		s.SetWebhook(Webhook{URL: "http://bot.example.com/"})
		wait(t, s)
		equal(t, "sent", p.got(), []string{inChat(2, 1)})
		if s.Stats().Expired != 1 {
			t.Error("not expired")
		}
	})
}

// A clock of the schedule that does not wait at all still sees updates expire.
func TestCompressedSchedule(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &pipes{answer: func(int, string) string { return failing(503) }}
		at := make(chan time.Time)
		close(at)
		s := start(t, p, Webhook{}, Options{After: func(time.Duration) <-chan time.Time { return at }})
		begin := time.Now()
		s.Send([]byte(`{"update_id":1,"callback_query":{"from":{"id":1}}}`))
		wait(t, s)
		equal(t, "times", p.seconds(begin), make([]float64, 8))
	})
}

// A message is given up a day after it was written, whenever Telegram got it.
func TestOwnDate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dated := func(id int, kind string, age time.Duration) string {
			return fmt.Sprintf("{\"update_id\":%d,\n\"%s\":{\"chat\":{\"id\":%d},\"date\":%d}}", id, kind, id, time.Now().Add(-age).Unix())
		}
		p := &pipes{answer: func(int, string) string { return failing(500) }}
		s := start(t, p, Webhook{}, Options{})
		s.Send([]byte(dated(1, "message", 25*time.Hour)))
		s.Send([]byte(dated(2, "message", 23*time.Hour)))
		s.Send([]byte(dated(3, "business_connection", 25*time.Hour)))
		s.Send([]byte(dated(4, "message", -time.Hour))) // by a clock that is ahead
		for _, step := range []struct {
			after   time.Duration
			expired int
		}{{time.Minute, 1}, {time.Hour + time.Minute, 2}, {22 * time.Hour, 2}, {time.Hour, 4}} {
			time.Sleep(step.after)
			if got := s.Stats().Expired; got != step.expired {
				t.Errorf("after %v more: %d expired, want %d", step.after, got, step.expired)
			}
		}
		for _, update := range p.got() {
			if strings.Contains(update, `"update_id":1,`) {
				t.Error("the oldest was sent")
			}
		}
	})
}
