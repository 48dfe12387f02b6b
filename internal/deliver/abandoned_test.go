package deliver

import (
	"context"
	"net/http"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// TestDeadBot has a bot that never answers what it gets first. After ten minutes
// that is canceled, and the update passes again.
func TestDeadBot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var canceled time.Time
		start := time.Now()
		tg := newTelegram(t, 40, func(n int, w http.ResponseWriter, r *http.Request) error {
			if n == 1 {
				<-r.Context().Done()
				canceled = time.Now()
				w.WriteHeader(clientClosed) // as reverse_proxy does
				return nil
			}
			return answerMethod(w)
		})
		tg.deliver(t, 1)
		if took := canceled.Sub(start); took != time.Minute+patience {
			t.Errorf("canceled after %s, want %s", took, time.Minute+patience)
		}
		if n := tg.got[1]; n != 2 {
			t.Errorf("the bot has got it %d times, want 2", n)
		}
		for _, a := range tg.attempts {
			if a.Status == http.StatusServiceUnavailable && a.Pause != 5*time.Second {
				t.Errorf("after the 503 Telegram pauses for %s, want 5s", a.Pause)
			}
		}
	})
}

// hanging is a bot that works on an update until that is canceled, and counts those.
func hanging() (*bot, *atomic.Int64) {
	ended := new(atomic.Int64)
	return &bot{answer: func(_ int64, _ http.ResponseWriter, r *http.Request) error {
		<-r.Context().Done()
		ended.Add(1)
		return r.Context().Err()
	}}, ended
}

// TestClose cancels what nobody waits for when the process ends, and nothing else.
func TestClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		table := NewTable()
		hang, ended := hanging()
		gone, hangUp := context.WithCancel(t.Context())
		there, hangUpToo := context.WithCancel(t.Context())
		go func() { _, _ = send(gone, table, hang, 1) }()
		go func() { _, _ = send(there, table, hang, 2) }()
		synctest.Wait()
		hangUp()
		synctest.Wait()
		if n := ended.Load(); n != 0 {
			t.Errorf("%d are canceled before it ends", n)
		}
		table.Close()
		table.Close() // each server of the configuration does
		synctest.Wait()
		if n := ended.Load(); n != 1 {
			t.Errorf("%d are canceled, want the one that nobody waits for", n)
		}
		hangUpToo()
		synctest.Wait()
		if n := ended.Load(); n != 2 {
			t.Errorf("%d are canceled after the other client has gone too, want 2", n)
		}
	})
}
