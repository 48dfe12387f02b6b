package listener

import (
	"net/netip"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// genuinePeriod is how long an address is not penalized after it has
	// delivered a genuine update.
	genuinePeriod = time.Hour

	// maxRanges is how many address ranges each of the maps of a penaltyTable holds.
	maxRanges = 1 << 15
)

// A penaltyTable knows which address ranges have forged how often, and which of
// them may not connect for a while. Suspects, barred ranges and genuine senders
// are kept apart, each with a bound of its own, so that no number of forgers
// displaces a genuine sender, and no number of suspects lets a barred one in.
//
// Its times hold the monotonic clock, so that a change of the system's time
// neither shortens nor extends a penalty.
type penaltyTable struct {
	barredNow atomic.Int64 // len(barred), to be read without the lock

	mu       sync.Mutex
	suspects map[netip.Prefix]suspicion
	barred   map[netip.Prefix]time.Time // until when
	genuine  map[netip.Prefix]time.Time // when the last genuine update came
}

// A suspicion counts the forgeries of a range within a window.
type suspicion struct {
	count int
	since time.Time
}

func newPenaltyTable() *penaltyTable {
	return &penaltyTable{
		suspects: make(map[netip.Prefix]suspicion),
		barred:   make(map[netip.Prefix]time.Time),
		genuine:  make(map[netip.Prefix]time.Time),
	}
}

// rangeOf returns what is penalized for an address: the IPv4 address itself, or
// the /64 that a single user of IPv6 has.
func rangeOf(addr netip.Addr) netip.Prefix {
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

// addForgery counts a forgery, and reports whether the range is barred from now on.
func (t *penaltyTable) addForgery(from netip.Prefix, rule Penalty, now time.Time) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if last, ok := t.genuine[from]; ok && now.Sub(last) < genuinePeriod {
		return false
	}
	if now.Before(t.barred[from]) {
		return false
	}
	s := t.suspects[from]
	if now.Sub(s.since) >= time.Duration(rule.Window) {
		s = suspicion{since: now}
	}
	s.count++
	if s.count < rule.Count {
		makeRoom(t.suspects, from, func(s suspicion) time.Time { return s.since })
		t.suspects[from] = s
		return false
	}
	delete(t.suspects, from)
	makeRoom(t.barred, from, sameTime)
	t.barred[from] = now.Add(time.Duration(rule.Duration))
	t.barredNow.Store(int64(len(t.barred)))
	return true
}

// addGenuine remembers a genuine update. It ends a penalty.
func (t *penaltyTable) addGenuine(from netip.Prefix, now time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.suspects, from)
	t.lift(from)
	makeRoom(t.genuine, from, sameTime)
	t.genuine[from] = now
}

// isBarred reports whether the range may not connect.
func (t *penaltyTable) isBarred(from netip.Prefix, now time.Time) bool {
	if t.barredNow.Load() == 0 {
		return false
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	until, ok := t.barred[from]
	if ok && !now.Before(until) {
		t.lift(from)
		return false
	}
	return ok
}

// countBarred returns how many ranges may not connect, and forgets the penalties
// that are over.
func (t *penaltyTable) countBarred(now time.Time) int {
	t.mu.Lock()
	defer t.mu.Unlock()
	for from, until := range t.barred {
		if !now.Before(until) {
			t.lift(from)
		}
	}
	return len(t.barred)
}

// lift ends the penalty of a range. The lock is held.
func (t *penaltyTable) lift(from netip.Prefix) {
	delete(t.barred, from)
	t.barredNow.Store(int64(len(t.barred)))
}

// makeRoom keeps a map within maxRanges before from is set in it. It removes the
// earliest of a few entries: to look for the earliest of all would make each
// forgery of a flood expensive.
func makeRoom[V any](m map[netip.Prefix]V, from netip.Prefix, timeOf func(V) time.Time) {
	if _, known := m[from]; known || len(m) < maxRanges {
		return
	}
	const few = 8
	var earliest netip.Prefix
	var at time.Time
	n := 0
	for prefix, v := range m { // the order is random
		if t := timeOf(v); n == 0 || t.Before(at) {
			earliest, at = prefix, t
		}
		if n++; n == few {
			break
		}
	}
	delete(m, earliest)
}

func sameTime(t time.Time) time.Time { return t }
