package boundedlog

import (
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"
)

func none() []zap.Field { return nil }

func name() zap.Field { return zap.String("name", "a bot") }

// total adds up what the log says that there was, and counts its entries.
func total(logs *observer.ObservedLogs, reason string) (events uint64, entries int) {
	for _, e := range logs.All() {
		fields := e.ContextMap()
		if fields["reason"] != reason {
			continue
		}
		if fields["name"] != "a bot" {
			continue // an entry must say what it is about
		}
		entries++
		if more, ok := fields["more"]; ok {
			events += more.(uint64)
		} else {
			events++
		}
	}
	return events, entries
}

func TestBoundAndCounts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		core, logs := observer.New(zapcore.WarnLevel)
		l := New(zap.New(core), zapcore.WarnLevel, "refused", name, "no_secret", "wrong_secret")

		const flood = 100_000
		var wg sync.WaitGroup
		for range 10 {
			wg.Go(func() {
				for range flood / 10 {
					l.Add(1, none)
				}
			})
		}
		l.Add(0, none)
		wg.Wait()
		if _, entries := total(logs, "wrong_secret"); entries != Burst {
			t.Errorf("entries while the window runs: got %d, want %d", entries, Burst)
		}

		time.Sleep(Window)
		synctest.Wait()
		events, entries := total(logs, "wrong_secret")
		if events != flood || entries != Burst+1 {
			t.Errorf("wrong_secret: got %d events in %d entries, want %d in %d", events, entries, flood, Burst+1)
		}
		if events, entries := total(logs, "no_secret"); events != 1 || entries != 1 {
			t.Errorf("no_secret: got %d events in %d entries, want 1 in 1", events, entries)
		}
	})
}

func TestWindows(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		core, logs := observer.New(zapcore.WarnLevel)
		l := New(zap.New(core), zapcore.WarnLevel, "refused", name, "wrong_secret")

		for range 3 {
			for range 2 * Burst {
				l.Add(0, none)
			}
			time.Sleep(Window + time.Second)
		}
		if events, entries := total(logs, "wrong_secret"); events != 6*Burst || entries != 3*(Burst+1) {
			t.Errorf("three windows: got %d events in %d entries", events, entries)
		}

		// What a window that is still open has held back is written at the end.
		for range Burst + 5 {
			l.Add(0, none)
		}
		l.Close()
		if events, _ := total(logs, "wrong_secret"); events != 7*Burst+5 {
			t.Errorf("after Close: got %d events, want %d", events, 7*Burst+5)
		}
	})
}

func TestFieldsAreAskedForOnlyWhenWritten(t *testing.T) {
	core, _ := observer.New(zapcore.WarnLevel)
	l := New(zap.New(core), zapcore.WarnLevel, "refused", name, "wrong_secret")
	defer l.Close()
	asked := 0
	for range 5 * Burst {
		l.Add(0, func() []zap.Field { asked++; return nil })
	}
	if asked != Burst {
		t.Errorf("fields asked for %d times, want %d", asked, Burst)
	}
	if n := testing.AllocsPerRun(100, func() { l.Add(0, none) }); n != 0 {
		t.Errorf("a counted entry allocates %v times, want 0", n)
	}
}
