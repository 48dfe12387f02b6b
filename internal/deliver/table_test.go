package deliver

import (
	"bytes"
	"net/http"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// figures is what a Table holds.
type figures struct{ taken, bytes, flights, abandoned int }

func (t *Table) figures() figures {
	t.mu.Lock()
	defer t.mu.Unlock()
	return figures{len(t.taken), t.bytes, len(t.flights), t.abandoned}
}

// heap is what is in use, in bytes.
func heap() int64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// take has the bot take an update.
func (t *Table) take(id int64, r *reply, count int) {
	_, f, _ := t.begin(id)
	t.end(f, r, count)
}

func (t *Table) knows(id int64) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.taken[id] != nil
}

// TestForgets remembers the last updates and no others.
func TestForgets(t *testing.T) {
	table := new(Table)
	for id := range int64(1000) {
		table.take(id, &reply{status: http.StatusOK}, someCount)
		if !table.knows(id) || id >= someCount-1 && !table.knows(id-someCount+1) || table.knows(id-someCount) {
			t.Fatalf("after %d it knows not the last %d", id, someCount)
		}
	}
	// Another configuration may want fewer, or more.
	for _, count := range []int64{3, 300} {
		for id := count * 10000; id < count*10000+2*count; id++ {
			table.take(id, &reply{status: http.StatusOK}, int(count))
		}
		if n := table.figures().taken; n != int(count) {
			t.Errorf("it remembers %d, want %d", n, count)
		}
	}
}

// TestBodies takes the bodies of the oldest answers away when all have long ones,
// and none too early.
func TestBodies(t *testing.T) {
	table := new(Table)
	long := &reply{status: http.StatusOK, contentType: "application/json", body: bytes.Repeat([]byte{'x'}, maxBody)}
	short := &reply{status: http.StatusOK, body: []byte("short")}
	whole := bodiesFor(someCount) / maxBody
	for id := range int64(10 * someCount) {
		table.take(id, long, someCount)
		f := table.figures()
		if f.bytes > bodiesFor(someCount) {
			t.Fatalf("%d bytes, want at most %d", f.bytes, bodiesFor(someCount))
		}
		if id >= int64(whole) && f.bytes <= bodiesFor(someCount)-maxBody {
			t.Fatalf("%d bytes, one more answer would have room", f.bytes)
		}
	}
	for id := range int64(someCount) {
		last := 9*someCount + id
		if known, _, _ := table.begin(last); known == nil {
			t.Fatalf("update %d is forgotten", last)
		} else if kept := len(known.body) > 0; kept != (id >= someCount-int64(whole)) {
			t.Errorf("update %d of %d has its body: %v", id, someCount, kept)
		}
	}
	for id := range int64(someCount) {
		table.take(-id-1, short, someCount)
	}
	if got, want := table.figures(), (figures{taken: someCount, bytes: someCount * len("short")}); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
	for id := range int64(someCount) {
		table.take(-someCount-id-1, long, someCount)
	}
	if got, want := table.figures(), (figures{taken: someCount, bytes: whole * maxBody}); got != want {
		t.Errorf("long ones again: got %+v, want %+v", got, want)
	}
}

// TestMillion takes a million updates with an answer of more than 1 KiB
// each, for which there is no room.
func TestMillion(t *testing.T) {
	table, before := new(Table), heap()
	r := &reply{status: http.StatusOK, contentType: "application/json", body: []byte(strings.Repeat("x", 1100))}
	for id := range int64(1_000_000) {
		table.take(id, r, DefaultCount)
	}
	f, grown := table.figures(), heap()-before
	t.Logf("%+v, the heap has grown by %d KiB", f, grown>>10)
	if f.taken != DefaultCount || f.bytes > bodiesFor(DefaultCount) || f.flights != 0 {
		t.Errorf("it holds %+v, want %d updates with at most %d bytes", f, DefaultCount, bodiesFor(DefaultCount))
	}
	if limit := int64(bodiesFor(DefaultCount) + 8<<20); grown > limit {
		t.Errorf("the heap has grown by %d bytes, want at most %d", grown, limit)
	}
	runtime.KeepAlive(table)
}

// TestDay is a day at the 30 updates a second that a bot can answer at most, since
// it may send no more messages. Some are sent again, after as long a pause as
// Telegram makes: none of them would reach the bot.
func TestDay(t *testing.T) {
	const rate, pause = 30, 2 * time.Minute
	synctest.Test(t, func(t *testing.T) {
		table := new(Table)
		r := &reply{status: http.StatusOK, contentType: "application/json", body: []byte(methodBody)}
		var id, again, morning int64
		for start := time.Now(); time.Since(start) < 24*time.Hour; time.Sleep(time.Second) {
			for range rate {
				table.take(id, r, DefaultCount)
				id++
			}
			if old := id - rate*int64(pause/time.Second); old >= 0 {
				again++
				if known, _, _ := table.begin(old); known == nil || string(known.body) != methodBody {
					t.Fatalf("update %d is forgotten after %s", old, pause)
				}
			}
			if id == rate*3600 {
				morning = heap()
			}
		}
		grown := heap() - morning
		t.Logf("%d updates, %d of them again; since the first hour the heap has grown by %d KiB", id, again, grown>>10)
		if f := table.figures(); f != (figures{taken: DefaultCount, bytes: DefaultCount * len(methodBody)}) {
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
