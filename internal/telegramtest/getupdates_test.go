package telegramtest

import (
	"context"
	"fmt"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// ids returns the ids of the updates in an answer.
func (r result) ids() string {
	var ids []string
	for _, part := range strings.Split(string(r.Result), `"update_id":`)[1:] {
		id, _, _ := strings.Cut(part, ",")
		ids = append(ids, id)
	}
	return strings.Join(ids, " ")
}

func TestGetUpdates(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newAPI(t, nil, APIOptions{})
		if r := call(t, a, pollPath); string(r.Result) != "[]" {
			t.Errorf("at first: %s", r.Result)
		}
		for i := range 120 {
			a.Send(token, []byte(inChat(i+1, 1)))
		}
		for _, step := range []struct {
			params []string
			want   string
			left   int
		}{
			{[]string{"limit", "3"}, "1 2 3", 120},
			{[]string{"limit", "0"}, "1", 120},
			{[]string{"limit", "2", "offset", "3"}, "3 4", 118},
			{[]string{"limit", "2", "offset", "-2"}, "119 120", 2},
			{[]string{"offset", "120"}, "120", 1},
			{[]string{"offset", "121"}, "", 0},
		} {
			time.Sleep(3 * time.Second)
			r := call(t, a, pollPath, step.params...)
			r.is(t, 200, "")
			if got := r.ids(); got != step.want || a.Sender(token).Stats().Pending != step.left {
				t.Errorf("%v: got %s, %d left", step.params, got, a.Sender(token).Stats().Pending)
			}
		}
		for i := range 120 {
			a.Send(token, []byte(inChat(i+1, 1)))
		}
		time.Sleep(3 * time.Second)
		if got := strings.Count(string(call(t, a, pollPath, "limit", "1000").Result), "update_id"); got != 100 {
			t.Errorf("got %d updates", got)
		}
		time.Sleep(25 * time.Hour)
		if r := call(t, a, pollPath); string(r.Result) != "[]" || a.Sender(token).Stats().Expired != 120 {
			t.Errorf("a day later: %s", r.Result)
		}
	})
}

// Whoever asks for the same updates again at once gets one of them, and waits if there
// is none.
func TestGetUpdatesAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newAPI(t, nil, APIOptions{})
		for i := range 5 {
			a.Send(token, []byte(inChat(i+1, 1)))
		}
		for _, step := range []struct {
			after  time.Duration
			offset string
			want   string
			took   time.Duration
		}{
			{0, "0", "1 2 3 4 5", 0},
			{400 * time.Millisecond, "0", "1", 0},
			{600 * time.Millisecond, "0", "1 2 3 4 5", 0},
			{0, "3", "3 4 5", 0},
			{0, "6", "", 0},
			{0, "6", "", 3 * time.Second},
			{time.Second, "6", "", 0}, // four seconds after the last one
		} {
			time.Sleep(step.after)
			begin := time.Now()
			r := call(t, a, pollPath, "offset", step.offset)
			if took := time.Since(begin); r.ids() != step.want || took != step.took {
				t.Errorf("offset %s: got %s after %v", step.offset, r.ids(), took)
			}
		}
	})
}

// An offset that is far from the updates confirms none.
func TestFarOffset(t *testing.T) {
	a := newAPI(t, nil, APIOptions{})
	a.Send(token, []byte(inChat(500_000, 1)))
	a.Send(token, []byte(inChat(500_001, 1)))
	for _, step := range []struct{ offset, want string }{
		{"500013", "500000 500001"}, {"399999", "500000 500001"}, {"500012", ""},
	} {
		if got := call(t, a, pollPath, "offset", step.offset).ids(); got != step.want {
			t.Errorf("offset %s: got %s", step.offset, got)
		}
	}
}

// An answer has less than 4 MiB.
func TestLongAnswer(t *testing.T) {
	a := newAPI(t, nil, APIOptions{})
	for i := range 10 {
		a.Send(token, []byte(fmt.Sprintf("{\"update_id\":%d,\n\"message\":{\"chat\":{\"id\":1},\"text\":\"%s\"}}", i+1, strings.Repeat("x", 500<<10))))
	}
	if got := call(t, a, pollPath).ids(); got != "1 2 3 4 5 6 7 8" {
		t.Errorf("got %s", got)
	}
}

// The first conflict is answered at once, and those that follow late.
func TestConflictsAreSlow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newAPI(t, nil, APIOptions{})
		call(t, a, setPath, "url", hookURL)
		for _, want := range []time.Duration{0, 3 * time.Second, 0} {
			begin := time.Now()
			if r := call(t, a, pollPath); r.Status != 409 || time.Since(begin) != want {
				t.Errorf("got %d after %v, want %v", r.Status, time.Since(begin), want)
			}
		}
	})
}

func TestLongPoll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newAPI(t, nil, APIOptions{})
		begin := time.Now()
		r := call(t, a, pollPath, "timeout", "300")
		if string(r.Result) != "[]" || time.Since(begin) != 50*time.Second {
			t.Errorf("got %s after %v", r.Result, time.Since(begin))
		}

		waiting := make(chan result, 1)
		start := func() {
			go func() { waiting <- call(t, a, pollPath, "timeout", "30") }()
			synctest.Wait()
		}
		start()
		begin = time.Now()
		a.Send(token, []byte(inChat(7, 1)))
		if r := <-waiting; r.ids() != "7" || !time.Now().Equal(begin) {
			t.Errorf("got %+v after %v", r, time.Since(begin))
		}
		call(t, a, pollPath, "offset", "8")

		start()
		second := make(chan result, 1)
		go func() { second <- call(t, a, pollPath, "timeout", "30") }()
		(<-waiting).is(t, 409, "Conflict: terminated by other getUpdates request; make sure that only one bot instance is running")
		synctest.Wait()
		call(t, a, setPath, "url", hookURL).is(t, 200, "Webhook was set")
		(<-second).is(t, 409, "Conflict: terminated by setWebhook request")

		call(t, a, deletePath)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		req := httptest.NewRequestWithContext(ctx, "GET", pollPath+"?timeout=30", nil)
		if r := do(t, a, req); string(r.Result) != "[]" {
			t.Errorf("got %+v", r)
		}
	})
}

// What waits outlasts a webhook and comes with the next one, unless it is
// dropped.
func TestPendingUpdates(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fail := true
		p := &pipes{answer: func(int, string) string {
			if fail {
				return failing(500)
			}
			return ok
		}}
		a := newAPI(t, p, APIOptions{Local: true})
		pending := func(want int) {
			t.Helper()
			if got := info(t, a); !strings.Contains(got, fmt.Sprintf(`"pending_update_count":%d`, want)) {
				t.Errorf("want %d pending: got %s", want, got)
			}
		}
		call(t, a, setPath, "url", plainURL)
		a.Send(token, []byte(inChat(1, 1)))
		a.Send(token, []byte(inChat(2, 1)))
		synctest.Wait()
		pending(2)
		call(t, a, deletePath).is(t, 200, "Webhook was deleted")
		pending(2)
		tries := len(p.got())
		time.Sleep(time.Hour)
		if got := p.got(); len(got) != tries {
			t.Errorf("sent without a webhook: %q", got[tries:])
		}
		fail = false
		call(t, a, setPath, "url", plainURL).is(t, 200, "Webhook was set")
		wait(t, a.Sender(token))
		equal(t, "delivered", p.got()[tries:], []string{inChat(1, 1), inChat(2, 1)})

		call(t, a, deletePath)
		for _, drop := range [][]string{
			{deletePath, "drop_pending_updates", "true"},
			{setPath, "drop_pending_updates", "1", "url", plainURL},
			{setPath, "drop_pending_updates", "yes", "url", "ftp://refused"},
		} {
			call(t, a, deletePath)
			time.Sleep(time.Second)
			a.Send(token, []byte(inChat(3, 1)))
			a.Send(token, []byte(inChat(4, 1)))
			pending(2)
			call(t, a, drop[0], drop[1:]...)
			pending(0)
		}
		if got := p.got(); len(got) != tries+2 {
			t.Errorf("dropped updates were sent: %q", got[tries+2:])
		}
	})
}
