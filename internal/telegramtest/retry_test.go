package telegramtest

import (
	"context"
	"testing"
	"testing/synctest"
	"time"
)

func TestSchedule(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var l log
		p := &pipes{answer: func(int, string) string { return failing(500) }}
		s := start(t, p, Webhook{}, Options{OnAttempt: l.add, Seed: 7})
		begin := time.Now()
		s.Send([]byte(inChat(1, 1)))
		wait(t, s)

		equal(t, "times", p.seconds(begin)[:7], []float64{0, 0, 2, 6, 14, 30, 62})
		pauses := l.pauses()
		if pauses[6] < 60 || pauses[6] > 64 {
			t.Errorf("the pause after 32 s is %v s", pauses[6])
		}
		different := make(map[float64]bool)
		for _, pause := range pauses[7:] {
			different[pause] = true
			if pause < 60 || pause > 120 {
				t.Errorf("a later pause is %v s", pause)
			}
		}
		if len(different) < 30 {
			t.Errorf("only %d different random pauses", len(different))
		}
		if since := time.Since(begin); since > 24*time.Hour || since < 24*time.Hour-2*time.Minute {
			t.Errorf("gave up after %v", since)
		}
		attempts := l.all()
		last := attempts[len(attempts)-1]
		if !last.Expired || last.Pause != 0 || last.Try != len(attempts) || attempts[0].Try != 1 {
			t.Errorf("last attempt %+v", last)
		}
		stats := s.Stats()
		if stats.Expired != 1 || stats.Failed != len(attempts) || stats.Delivered != 0 || stats.Pending != 0 {
			t.Errorf("got %+v", stats)
		}
		if stats.LastError != "Wrong response from the webhook: 500 Internal Server Error" || !stats.LastErrorDate.Equal(time.Now()) {
			t.Errorf("last error %q at %v", stats.LastError, stats.LastErrorDate)
		}
	})
}

func TestScheduleBySeed(t *testing.T) {
	pauses := func(seed uint64) (pauses []float64) {
		synctest.Test(t, func(t *testing.T) {
			var l log
			p := &pipes{answer: func(int, string) string { return failing(500) }}
			s := start(t, p, Webhook{}, Options{OnAttempt: l.add, Seed: seed})
			s.Send([]byte(inChat(1, 1)))
			wait(t, s)
			pauses = l.pauses()
		})
		return pauses
	}
	a, b, other := pauses(3), pauses(3), pauses(4)
	equal(t, "with the same seed", a, b)
	if a[10] == other[10] && a[11] == other[11] && a[12] == other[12] {
		t.Error("another seed gives the same pauses")
	}
}

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

func TestRetryAfter(t *testing.T) {
	for _, test := range []struct {
		value string
		want  []float64 // pauses after four failures that have it
	}{
		{"5", []float64{5, 5, 5, 5}},
		{"1", []float64{1, 1, 1, 1}},
		{"3600", []float64{3600, 3600, 3600, 3600}},
		{"3601", []float64{3600, 3600, 3600, 3600}},
		{"2147483647", []float64{3600, 3600, 3600, 3600}},
		{"2147483648", []float64{0, 2, 4, 8}},
		{"0", []float64{0, 2, 4, 8}},
		{"-7", []float64{0, 2, 4, 8}},
		{"1.5", []float64{0, 2, 4, 8}},
		{"5s", []float64{0, 2, 4, 8}},
		{"05", []float64{0, 2, 4, 8}},
		{"+5", []float64{0, 2, 4, 8}},
		{"5\r\nContent-Encoding: br\r\nTransfer-Encoding: chunked", []float64{0, 2, 4, 8}}, // cannot be read
		{"Wed, 21 Oct 2026 07:28:00 GMT", []float64{0, 2, 4, 8}},
	} {
		t.Run(test.value, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var l log
				p := &pipes{answer: func(n int, _ string) string {
					if n == 4 {
						return ok
					}
					return failing([]int{503, 429, 302, 404}[n], "Retry-After: "+test.value+"\r\n")
				}}
				s := start(t, p, Webhook{}, Options{OnAttempt: l.add})
				s.Send([]byte(inChat(1, 1)))
				wait(t, s)
				equal(t, "pauses", l.pauses(), test.want)
			})
		})
	}
}

// Retry-After replaces the back-off, which does not grow meanwhile, but the
// free first retry is gone.
func TestRetryAfterDoesNotGrow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var l log
		p := &pipes{answer: func(n int, _ string) string {
			switch n {
			case 1, 4, 5:
				return failing(503, "Retry-After: 9\r\n")
			case 8:
				return ok
			}
			return failing(503)
		}}
		s := start(t, p, Webhook{}, Options{OnAttempt: l.add})
		s.Send([]byte(inChat(1, 1)))
		wait(t, s)
		equal(t, "pauses", l.pauses(), []float64{0, 9, 2, 4, 9, 9, 8, 16})
	})
}

func TestGone(t *testing.T) {
	t.Run("without a break", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			p := &pipes{answer: func(n int, _ string) string {
				if n == 100 {
					return "" // no answer is not another answer
				}
				return failing(410)
			}}
			s := start(t, p, Webhook{}, Options{})
			begin := time.Now()
			s.Send([]byte(inChat(1, 1)))
			ctx, cancel := context.WithTimeout(t.Context(), 48*time.Hour)
			defer cancel()
			if s.Wait(ctx) == nil {
				t.Error("the update did not stay")
			}
			at := p.seconds(begin)
			last := at[len(at)-1]
			if last <= 23*3600 || last > 23*3600+120 {
				t.Errorf("the webhook lasted %v s", last)
			}
			if stats := s.Stats(); !stats.Gone || stats.LastError != "" || stats.Pending != 1 {
				t.Errorf("got %+v", stats)
			}
		})
	})
	t.Run("with a break", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			p := &pipes{answer: func(n int, _ string) string {
				if n == 100 {
					return failing(500)
				}
				return failing(410)
			}}
			s := start(t, p, Webhook{}, Options{})
			s.Send([]byte(inChat(1, 1)))
			wait(t, s)
			if stats := s.Stats(); stats.Gone || stats.Expired != 1 {
				t.Errorf("got %+v", stats)
			}
		})
	})
}
