package deliver

import (
	"net/http"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// figures is what a Table holds.
type figures struct{ taken, bytes, inFlight int }

func (t *Table) figures() (f figures) {
	t.mu.Lock()
	defer t.mu.Unlock()
	f.inFlight = len(t.inFlight)
	for _, half := range []map[int64]*answer{t.newer, t.older} {
		f.taken += len(half)
		for _, a := range half {
			f.bytes += cap(a.body)
		}
	}
	return f
}

// heap is what is in use, in bytes.
func heap() int64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// take has the bot take an update.
func (t *Table) take(id int64, body string, count int) {
	_, _ = t.begin(id)
	t.end(&Once{t, id, count}, &answer{status: http.StatusOK, contentType: "application/json", body: []byte(body)}, true)
}

func (t *Table) knows(id int64) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.newer[id] != nil || t.older[id] != nil
}

// TestForgets remembers the last updates, and at most twice as many as it is to.
func TestForgets(t *testing.T) {
	table := NewTable()
	for id := range int64(1000) {
		table.take(id, "", someCount)
		if !table.knows(id) || id >= someCount-1 && !table.knows(id-someCount+1) || table.knows(id-2*someCount) {
			t.Fatalf("after %d it knows not the last %d", id, someCount)
		}
	}
	// Another configuration may want fewer, or more.
	for _, count := range []int64{3, 300} {
		for id := count * 10000; id < count*10000+3*count; id++ {
			table.take(id, "", int(count))
		}
		if n := table.figures().taken; n < int(count) || n > 2*int(count) {
			t.Errorf("it remembers %d, want %d", n, count)
		}
	}
}

// TestGivenOnce forgets an answer that was given again, but not the update.
func TestGivenOnce(t *testing.T) {
	table := NewTable()
	for id := range int64(2 * someCount) { // some are in the older half
		table.take(id, methodBody, someCount)
	}
	for id := range int64(2 * someCount) {
		if a, err := table.begin(id); err != nil || string(a.body) != methodBody {
			t.Fatalf("update %d: got %+v, %v", id, a, err)
		}
		if a, err := table.begin(id); a != nil || err != errRepeated {
			t.Fatalf("update %d again: got %+v, %v", id, a, err)
		}
	}
}

// part is 1, or 10 with -short: that part of the work is done.
func part() int {
	if testing.Short() {
		return 10
	}
	return 1
}

// TestMillion takes a million updates with long answers, for which there is no room.
func TestMillion(t *testing.T) {
	for name, size := range map[string]int{"1.1 KB": 1100, "64 KiB": maxAnswer} {
		t.Run(name, func(t *testing.T) {
			table, before := NewTable(), heap()
			body := strings.Repeat("x", size)
			for id := range int64(1_000_000_000 / size / part()) {
				table.take(id, body, DefaultCount)
			}
			f, grown := table.figures(), heap()-before
			t.Logf("%+v, the heap has grown by %d KiB", f, grown>>10)
			const limit = 2 * DefaultCount << 10
			if f.taken > 2*DefaultCount || f.bytes > limit || f.bytes < limit/4 || f.inFlight != 0 {
				t.Errorf("it holds %+v, want at most %d updates with %d bytes", f, 2*DefaultCount, limit)
			}
			if grown > limit+4<<20 {
				t.Errorf("the heap has grown by %d bytes, want at most %d", grown, limit+4<<20)
			}
			runtime.KeepAlive(table)
		})
	}
}

// TestMaxCount measures what MaxCount takes.
func TestMaxCount(t *testing.T) {
	table, before := NewTable(), heap()
	for id := range int64(2 * MaxCount / part()) {
		table.take(id, "", MaxCount)
	}
	grown := heap() - before
	t.Logf("%+v, %d MB", table.figures(), grown/1_000_000)
	if grown > 100_000_000 {
		t.Errorf("it takes %d MB", grown/1_000_000)
	}
	runtime.KeepAlive(table)
}

// TestDay is a day at the 30 updates a second that a bot can answer at most, since
// it may send no more messages. Some are sent again, after as long a pause as
// Telegram makes: none of them would reach the bot.
func TestDay(t *testing.T) {
	const rate, pause = 30, 2 * time.Minute
	synctest.Test(t, func(t *testing.T) {
		table := NewTable()
		var id, again, morning int64
		for start := time.Now(); time.Since(start) < 24*time.Hour/time.Duration(part()); time.Sleep(time.Second) {
			for range rate {
				table.take(id, methodBody, DefaultCount)
				id++
			}
			if old := id - rate*int64(pause/time.Second); old >= 0 {
				again++
				if known, _ := table.begin(old); known == nil || string(known.body) != methodBody {
					t.Fatalf("update %d is forgotten after %s", old, pause)
				}
			}
			if id == rate*3600 {
				morning = heap()
			}
		}
		grown := heap() - morning
		t.Logf("%d updates, %d of them again; since the first hour the heap has grown by %d KiB", id, again, grown>>10)
		if f := table.figures(); f.taken > 2*DefaultCount || f.inFlight != 0 {
			t.Errorf("it holds %+v", f)
		}
		if grown > 4<<20 {
			t.Errorf("the heap has grown by %d bytes since the first hour", grown)
		}
		if again == 0 {
			t.Error("none was sent again")
		}
		runtime.KeepAlive(table)
	})
}
