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

func TestRetryAfter(t *testing.T) {
	for _, test := range []struct {
		value string
		want  []float64 // pauses after four failures that have it
	}{
		{"5", []float64{5, 5, 5, 5}},
		{"1", []float64{1, 1, 1, 1}},
		{"5\r\nRetry-After: 9", []float64{5, 5, 5, 5}},
		{"0\r\nRetry-After: 9", []float64{0, 2, 4, 8}},
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

// What has waited for a bot comes soon after its return.
func TestReturn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begin := time.Now()
		p := &pipes{answer: func(int, string) string {
			if time.Since(begin) < 22*time.Second {
				return failing(503, "Retry-After: 5\r\n")
			}
			return ok
		}}
		s := start(t, p, Webhook{}, Options{})
		for i := range 200 {
			s.Send([]byte(inChat(i, 1+i%40)))
		}
		wait(t, s)
		if took := time.Since(begin); took > 25*time.Second {
			t.Errorf("it took %v", took)
		}
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
	t.Run("set anew in the same moment", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			p := &pipes{answer: func(int, string) string { return failing(410) }}
			begin, anew := time.Now(), false
			var s *Sender
			s = start(t, p, Webhook{}, Options{OnAttempt: func(a Attempt) {
				if !anew && time.Since(begin) > 23*time.Hour {
					anew = true
					s.SetWebhook(Webhook{URL: "http://bot.example.com/"})
				}
			}})
			s.Send([]byte(inChat(1, 1)))
			wait(t, s)
			if stats := s.Stats(); stats.Gone || stats.Expired != 1 {
				t.Errorf("got %+v", stats)
			}
		})
	})
}
