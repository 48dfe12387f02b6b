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
func forge(p *Penalties, from netip.Prefix) {
	for range rule.Count {
		p.addForgery(from, rule)
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
		p := NewPenalties()
		forger, other := mustRange("203.0.113.9"), mustRange("203.0.113.10")
		for i := range 3 {
			if got := p.addForgery(forger, rule); got != (i == 2) {
				t.Errorf("forgery %d: barred %v", i+1, got)
			}
		}
		if !p.isBarred(forger) || p.isBarred(other) || p.CountBarred() != 1 {
			t.Error("want the forger barred and nobody else")
		}
		// Forgeries on connections that are still open do not extend a penalty.
		time.Sleep(5 * time.Minute)
		forge(p, forger)
		time.Sleep(5*time.Minute - 1)
		if !p.isBarred(forger) {
			t.Error("the penalty ends too early")
		}
		time.Sleep(time.Nanosecond)
		if p.isBarred(forger) || p.CountBarred() != 0 {
			t.Error("the penalty does not end")
		}

		// Forgeries that are further apart than the window do not add up.
		for i := range 10 {
			if p.addForgery(other, rule) {
				t.Errorf("barred after %d forgeries, two a minute", i+1)
			}
			time.Sleep(31 * time.Second)
		}
	})
}

// TestMonotonicDeadline makes sure that deadlines keep the monotonic clock, by
// which Go compares them whatever the system's time is set to.
func TestMonotonicDeadline(t *testing.T) {
	p := NewPenalties()
	barred, genuine, suspect := mustRange("203.0.113.1"), mustRange("203.0.113.2"), mustRange("203.0.113.3")
	forge(p, barred)
	p.addGenuine(genuine)
	p.addForgery(suspect, rule)
	for what, at := range map[string]time.Time{
		"barred": p.barred[barred], "genuine": p.genuine[genuine], "suspect": p.suspects[suspect].since,
	} {
		if !strings.Contains(at.String(), " m=") {
			t.Errorf("%s: %s has no monotonic clock", what, at)
		}
	}
}

func TestGenuineSender(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := NewPenalties()
		sender := mustRange("203.0.113.9")
		forge(p, sender)
		p.addGenuine(sender) // on a connection that was open before
		if p.isBarred(sender) {
			t.Error("a genuine update does not end a penalty")
		}
		time.Sleep(genuinePeriod - 1)
		forge(p, sender)
		if p.isBarred(sender) {
			t.Error("barred within the hour after a genuine update")
		}
		time.Sleep(time.Nanosecond)
		forge(p, sender)
		if !p.isBarred(sender) {
			t.Error("not barred an hour after its last genuine update")
		}
	})
}

// TestFlood has 100,000 addresses forge, once each or until they are barred.
func TestFlood(t *testing.T) {
	for name, times := range map[string]int{"suspects": 1, "barred": rule.Count} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := NewPenalties()
				barred, genuine := mustRange("203.0.113.1"), mustRange("203.0.113.2")
				p.addGenuine(genuine)
				forge(p, barred)
				for i := range 100_000 {
					from := rangeOf(netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)}))
					for range times {
						p.addForgery(from, rule)
					}
				}
				if len(p.suspects) > maxRanges || len(p.barred) > maxRanges || len(p.genuine) != 1 {
					t.Errorf("%d suspects, %d barred and %d genuine", len(p.suspects), len(p.barred), len(p.genuine))
				}
				if times == 1 && !p.isBarred(barred) {
					t.Error("suspects have displaced a barred address")
				}
				forge(p, genuine)
				if p.isBarred(genuine) {
					t.Error("the flood has displaced a genuine sender")
				}
			})
		})
	}
}

func BenchmarkIsBarred(b *testing.B) {
	p := NewPenalties()
	for i := range 10_000 {
		forge(p, rangeOf(netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)})))
	}
	from := mustRange("10.0.1.1")
	b.ReportAllocs()
	for b.Loop() {
		p.isBarred(from)
	}
}
