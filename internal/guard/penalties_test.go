package guard

import (
	"net/netip"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"
)

var (
	rule = Penalty{Count: 3, Window: caddy.Duration(time.Minute), Duration: caddy.Duration(10 * time.Minute)}
	now  = time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)
)

func of(address string) netip.Prefix { return subject(netip.MustParseAddr(address)) }

func TestSubject(t *testing.T) {
	for address, want := range map[string]string{
		"203.0.113.9":              "203.0.113.9/32",
		"::ffff:203.0.113.9":       "203.0.113.9/32",
		"2001:db8:1:2:3:4:5:6":     "2001:db8:1:2::/64",
		"fe80::1%eth0":             "fe80::/64",
		"2001:db8:1:2:ffff:f:f:ff": "2001:db8:1:2::/64",
	} {
		if got := of(address).String(); got != want {
			t.Errorf("%s: got %s, want %s", address, got, want)
		}
	}
}

func TestPenalty(t *testing.T) {
	b := newBox(4, 100)
	a, other := of("203.0.113.9"), of("203.0.113.10")
	for i := range 3 {
		if got := b.refused(a, rule, now); got != (i == 2) {
			t.Errorf("refusal %d: penalized %v", i+1, got)
		}
	}
	if !b.barred(a, now) || b.barred(other, now) || b.count(now) != 1 {
		t.Errorf("barred: %v and another %v, %d in all", b.barred(a, now), b.barred(other, now), b.count(now))
	}
	if !b.barred(a, now.Add(10*time.Minute-1)) || b.barred(a, now.Add(10*time.Minute)) || b.count(now) != 0 {
		t.Error("the penalty does not last as long as it should")
	}

	// Refusals that are further apart than the window do not add up.
	for i := range 10 {
		if b.refused(other, rule, now.Add(time.Duration(i)*31*time.Second)) {
			t.Errorf("penalized after %d refusals, two a minute", i+1)
		}
	}
}

func TestAboveSuspicion(t *testing.T) {
	b := newBox(4, 100)
	a := of("203.0.113.9")
	for range 3 {
		b.refused(a, rule, now)
	}
	b.passed(a, now) // on a connection that was open before
	if b.barred(a, now) {
		t.Error("a genuine update does not end a penalty")
	}
	for range 100 {
		if b.refused(a, rule, now.Add(GenuineFor-1)) {
			t.Fatal("penalized within the hour after a genuine update")
		}
	}
	later := now.Add(GenuineFor)
	for i := range 3 {
		if got := b.refused(a, rule, later); got != (i == 2) {
			t.Errorf("an hour later, refusal %d: penalized %v", i+1, got)
		}
	}
}

// TestMillionAddresses bounds the memory, and keeps what is worth remembering.
func TestMillionAddresses(t *testing.T) {
	b := newBox(8, 128)
	barred, genuine := of("203.0.113.1"), of("203.0.113.2")
	for range 3 {
		b.refused(barred, rule, now)
	}
	b.passed(genuine, now)
	for i := range 1_000_000 {
		a := netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)})
		b.refused(subject(a), rule, now.Add(time.Duration(i)*time.Millisecond/10))
	}
	total := 0
	for i := range b.parts {
		total += len(b.parts[i].entries)
	}
	if total > 8*128 {
		t.Errorf("%d addresses are remembered, want at most %d", total, 8*128)
	}
	soon := now.Add(2 * time.Minute)
	if !b.barred(barred, soon) {
		t.Error("the flood has freed who was barred")
	}
	for range 10 {
		if b.refused(genuine, rule, soon) {
			t.Error("the flood has made an address suspect that is above it")
		}
	}
}

// TestAllWorthRemembering has more barred addresses than there is room for.
func TestAllWorthRemembering(t *testing.T) {
	b := newBox(1, 10)
	for i := range 1000 {
		a := subject(netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)}))
		for range 3 {
			b.refused(a, rule, now.Add(time.Duration(i)))
		}
	}
	if n := b.count(now); n != 10 || b.penalized.Load() != 10 {
		t.Errorf("%d and %d are barred, want 10", n, b.penalized.Load())
	}
	if n := b.count(now.Add(time.Hour)); n != 0 || b.penalized.Load() != 0 {
		t.Errorf("an hour later %d and %d are barred, want none", n, b.penalized.Load())
	}
}

func BenchmarkBarred(b *testing.B) {
	box := newBox(64, 1024)
	for i := range 10_000 {
		a := subject(netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)}))
		for range 3 {
			box.refused(a, rule, now)
		}
	}
	s := of("10.0.1.1")
	b.ReportAllocs()
	for b.Loop() {
		box.barred(s, now)
	}
}
