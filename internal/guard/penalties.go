package guard

import (
	"net/netip"
	"sync"
	"sync/atomic"
	"time"
)

// penalties is who has been refused how often, and who may not connect for a
// while. It is one for the process, so that a reload keeps it. Its memory is
// bounded whatever comes: of too many addresses those are forgotten that are
// least worth remembering.
var penalties = newBox(64, 1024)

// GenuineFor is how long an address is above suspicion that has delivered a
// genuine update.
const GenuineFor = time.Hour

// box is a table of addresses in parts, each with a lock of its own.
type box struct {
	parts     []part
	each      int // how many addresses a part holds
	penalized atomic.Int64
}

type part struct {
	sync.Mutex
	entries map[netip.Prefix]entry
}

// entry is what is known of an address. Times are Unix nanoseconds.
type entry struct {
	refused int64 // refusals since the window began
	since   int64 // when it began
	until   int64 // may not connect until then; 0 if it may
	genuine int64 // when it last delivered a genuine update
}

func newBox(parts, each int) *box {
	b := &box{parts: make([]part, parts), each: each}
	for i := range b.parts {
		b.parts[i].entries = make(map[netip.Prefix]entry)
	}
	return b
}

// subject is what is penalized: an IPv4 address, or the /64 that one user of
// IPv6 has.
func subject(addr netip.Addr) netip.Prefix {
	addr = addr.Unmap().WithZone("")
	bits := 32
	if addr.Is6() {
		bits = 64
	}
	prefix, err := addr.Prefix(bits)
	if err != nil {
		return netip.Prefix{}
	}
	return prefix
}

func (b *box) part(s netip.Prefix) *part {
	bytes := s.Addr().As16()
	h := uint32(2166136261) // FNV-1a
	for _, c := range bytes {
		h = (h ^ uint32(c)) * 16777619
	}
	return &b.parts[h%uint32(len(b.parts))]
}

// entry is what is known of an address. There is room for it then, if it is new.
func (b *box) entry(at *part, s netip.Prefix, now time.Time) entry {
	e, known := at.entries[s]
	if !known && len(at.entries) >= b.each {
		b.forget(at, now.UnixNano())
	}
	return e
}

// refused counts a refusal, and reports whether the address has had enough of
// them within the window to be penalized.
func (b *box) refused(s netip.Prefix, p Penalty, now time.Time) bool {
	at := b.part(s)
	at.Lock()
	defer at.Unlock()
	e := b.entry(at, s, now)
	n := now.UnixNano()
	if e.genuine != 0 && n-e.genuine < int64(GenuineFor) {
		return false
	}
	if n-e.since >= int64(p.Window) || n < e.since {
		e.refused, e.since = 0, n
	}
	e.refused++
	reached := e.refused >= int64(p.Count)
	if reached {
		if e.until == 0 {
			b.penalized.Add(1)
		}
		e.refused, e.until = 0, n+int64(p.Duration)
	}
	at.entries[s] = e
	return reached
}

// passed remembers a genuine update.
func (b *box) passed(s netip.Prefix, now time.Time) {
	at := b.part(s)
	at.Lock()
	defer at.Unlock()
	e := b.entry(at, s, now)
	if e.until != 0 {
		b.penalized.Add(-1)
	}
	at.entries[s] = entry{genuine: now.UnixNano()}
}

// barred reports whether the address may not connect.
func (b *box) barred(s netip.Prefix, now time.Time) bool {
	if b.penalized.Load() == 0 {
		return false
	}
	at := b.part(s)
	at.Lock()
	defer at.Unlock()
	e, ok := at.entries[s]
	switch {
	case !ok || e.until == 0:
		return false
	case now.UnixNano() < e.until:
		return true
	}
	b.remove(at, s, e)
	return false
}

// forget makes room for one. Of a few it drops the one that is least worth
// remembering: before an address that may not connect, and one above suspicion,
// any other.
func (b *box) forget(at *part, now int64) {
	const few = 8
	var worst netip.Prefix
	var least int64
	n := 0
	for s, e := range at.entries { // Go begins anywhere
		worth := e.since
		if e.until > now || e.genuine != 0 && now-e.genuine < int64(GenuineFor) {
			worth = now + max(e.until, e.genuine)
		}
		if n == 0 || worth < least {
			worst, least = s, worth
		}
		if n++; n == few {
			break
		}
	}
	b.remove(at, worst, at.entries[worst])
}

func (b *box) remove(at *part, s netip.Prefix, e entry) {
	if e.until != 0 {
		b.penalized.Add(-1)
	}
	delete(at.entries, s)
}

// count returns how many addresses may not connect now, and forgets those whose
// time is over.
func (b *box) count(now time.Time) (n int) {
	for i := range b.parts {
		at := &b.parts[i]
		at.Lock()
		for s, e := range at.entries {
			switch {
			case e.until == 0:
			case now.UnixNano() < e.until:
				n++
			default:
				b.remove(at, s, e)
			}
		}
		at.Unlock()
	}
	return n
}
