package listener

import (
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/caddyserver/caddy/v2"
)

var rule = Penalty{Count: 3, Window: caddy.Duration(time.Minute), Duration: caddy.Duration(10 * time.Minute)}

func mustRange(address string) netip.Prefix { return rangeOf(netip.MustParseAddr(address)) }

// forge adds as many forgeries as lead to a penalty.
func forge(table *Penalties, from netip.Prefix) {
	for range rule.Count {
		table.addForgery(from, rule, time.Now())
	}
}

func TestRangeOf(t *testing.T) {
	for address, want := range map[string]string{
		"203.0.113.9":              "203.0.113.9/32",
		"::ffff:203.0.113.9":       "203.0.113.9/32",
		"2001:db8:1:2:3:4:5:6":     "2001:db8:1:2::/64",
		"fe80::1%eth0":             "fe80::/64",
		"2001:db8:1:2:ffff:f:f:ff": "2001:db8:1:2::/64",
	} {
		if got := mustRange(address).String(); got != want {
			t.Errorf("%s: got %s, want %s", address, got, want)
		}
	}
}

func TestPenalty(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		table := NewPenalties()
		forger, other := mustRange("203.0.113.9"), mustRange("203.0.113.10")
		for i := range 3 {
			if got := table.addForgery(forger, rule, time.Now()); got != (i == 2) {
				t.Errorf("forgery %d: barred %v", i+1, got)
			}
		}
		if !table.isBarred(forger, time.Now()) || table.isBarred(other, time.Now()) || table.CountBarred() != 1 {
			t.Error("want the forger barred and nobody else")
		}
		// Forgeries on connections that are still open do not extend a penalty.
		time.Sleep(5 * time.Minute)
		forge(table, forger)
		time.Sleep(5*time.Minute - 1)
		if !table.isBarred(forger, time.Now()) {
			t.Error("the penalty ends too early")
		}
		time.Sleep(time.Nanosecond)
		if table.isBarred(forger, time.Now()) || table.CountBarred() != 0 || table.barredNow.Load() != 0 {
			t.Error("the penalty does not end")
		}

		// Forgeries that are further apart than the window do not add up.
		for i := range 10 {
			if table.addForgery(other, rule, time.Now()) {
				t.Errorf("barred after %d forgeries, two a minute", i+1)
			}
			time.Sleep(31 * time.Second)
		}
	})
}

// TestMonotonicDeadline makes sure that deadlines keep the monotonic clock, by
// which Go compares them whatever the system's time is set to.
func TestMonotonicDeadline(t *testing.T) {
	table := NewPenalties()
	barred, genuine, suspect := mustRange("203.0.113.1"), mustRange("203.0.113.2"), mustRange("203.0.113.3")
	forge(table, barred)
	table.addGenuine(genuine, time.Now())
	table.addForgery(suspect, rule, time.Now())
	for what, at := range map[string]time.Time{
		"barred": table.barred[barred], "genuine": table.genuine[genuine], "suspect": table.suspects[suspect].since,
	} {
		if !strings.Contains(at.String(), " m=") {
			t.Errorf("%s: %s has no monotonic clock", what, at)
		}
	}
}

func TestGenuineSender(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		table := NewPenalties()
		sender := mustRange("203.0.113.9")
		forge(table, sender)
		table.addGenuine(sender, time.Now()) // on a connection that was open before
		if table.isBarred(sender, time.Now()) {
			t.Error("a genuine update does not end a penalty")
		}
		time.Sleep(genuinePeriod - 1)
		forge(table, sender)
		if table.isBarred(sender, time.Now()) {
			t.Error("barred within the hour after a genuine update")
		}
		time.Sleep(time.Nanosecond)
		forge(table, sender)
		if !table.isBarred(sender, time.Now()) {
			t.Error("not barred an hour after its last genuine update")
		}
	})
}

// TestFlood has 100,000 addresses forge, once each or until they are barred.
func TestFlood(t *testing.T) {
	for name, times := range map[string]int{"suspects": 1, "barred": rule.Count} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				table := NewPenalties()
				barred, genuine := mustRange("203.0.113.1"), mustRange("203.0.113.2")
				table.addGenuine(genuine, time.Now())
				forge(table, barred)
				for i := range 100_000 {
					from := rangeOf(netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)}))
					for range times {
						table.addForgery(from, rule, time.Now())
					}
				}
				if len(table.suspects) > maxRanges || len(table.barred) > maxRanges || len(table.genuine) != 1 {
					t.Errorf("%d suspects, %d barred and %d genuine", len(table.suspects), len(table.barred), len(table.genuine))
				}
				if int64(len(table.barred)) != table.barredNow.Load() {
					t.Errorf("%d are barred, and %d counted", len(table.barred), table.barredNow.Load())
				}
				if times == 1 && !table.isBarred(barred, time.Now()) {
					t.Error("suspects have displaced a barred address")
				}
				forge(table, genuine)
				if table.isBarred(genuine, time.Now()) {
					t.Error("the flood has displaced a genuine sender")
				}
			})
		})
	}
}

func BenchmarkIsBarred(b *testing.B) {
	table := NewPenalties()
	for i := range 10_000 {
		forge(table, rangeOf(netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)})))
	}
	from := mustRange("10.0.1.1")
	b.ReportAllocs()
	for b.Loop() {
		table.isBarred(from, time.Now())
	}
}
