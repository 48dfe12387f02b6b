package telegramtest

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestLongestHead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		update := []byte(inChat(1, 1))
		head := len(Request(Webhook{URL: "http://a/", Secret: "secret"}, update)) - len(update)
		w := Webhook{URL: "http://a/" + strings.Repeat("x", 4068-head), Secret: "secret"}
		p := &pipes{answer: func(int, string) string { return ok }}
		s := start(t, p, w, Options{})
		s.Send(update)
		wait(t, s)
		w.URL += "x"
		s.SetWebhook(w)
		s.Send(update)
		synctest.Wait()
		if stats := s.Stats(); stats.Delivered != 1 || stats.Pending != 1 {
			t.Errorf("got %+v", stats)
		}
	})
}

func TestNothingIsSent(t *testing.T) {
	for name, url := range map[string]string{
		"no webhook": "",
		"too long":   "http://bot.example.com/" + strings.Repeat("x", 4096),
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := &pipes{answer: func(int, string) string { return ok }}
				s := NewSender(Webhook{URL: url}, Options{Dial: p.dial})
				defer s.Close()
				s.Send([]byte(inChat(1, 1)))
				s.Send([]byte(inChat(2, 2)))
				ctx, cancel := context.WithTimeout(t.Context(), 48*time.Hour)
				defer cancel()
				if err := s.Wait(ctx); !errors.Is(err, context.DeadlineExceeded) {
					t.Errorf("got %v", err)
				}
				stats := s.Stats()
				stats.Connections = 0 // there are some, which are closed when they were idle
				if stats != (Stats{Pending: 2}) {
					t.Errorf("got %+v", stats)
				}
				s.SetWebhook(Webhook{URL: "http://bot.example.com/"})
				synctest.Wait()
				if stats := s.Stats(); stats.Expired != 2 {
					t.Errorf("after two days: got %+v", stats)
				}
			})
		})
	}
}

func TestTooLong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &pipes{answer: func(int, string) string { return ok }}
		s := start(t, p, Webhook{}, Options{})
		for _, id := range []string{"1", "1471961782"} {
			for _, size := range []int{524_288, 524_289} {
				const data = `"message":{"chat":{"id":1},"text":""}`
				text := strings.Repeat("x", size-len(data))
				s.Send([]byte(`{"update_id":` + id + ",\n" + data[:len(data)-2] + text + `"}}`))
			}
		}
		wait(t, s)
		if stats := s.Stats(); stats.TooLong != 2 || stats.Delivered != 2 || len(p.got()[1]) != 524_314 {
			t.Errorf("got %+v", stats)
		}
	})
}
