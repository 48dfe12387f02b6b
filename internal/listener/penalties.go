package listener

import (
	"maps"
	"net/netip"
	"sync"
	"time"
)

const (
	// genuinePeriod is how long a genuine update protects its address from penalties.
	genuinePeriod = time.Hour

	// maxRanges is how many address ranges each map of Penalties holds.
	maxRanges = 1 << 15
)

// Penalties counts the forgeries of address ranges, and holds the ranges that may not connect for a while. Suspects,
// barred ranges and genuine senders have separate maps, each with its own limit: forgers cannot displace a genuine
// sender, and suspects cannot displace a barred range.
//
// Its times include the monotonic clock, so that a change of the system's time neither shortens nor extends a penalty.
type Penalties struct {
	mu       sync.Mutex
	suspects map[netip.Prefix]suspicion
	barred   map[netip.Prefix]time.Time // the end of the penalty
	genuine  map[netip.Prefix]time.Time // the last genuine update
}

// suspicion counts the forgeries of a range within a window.
type suspicion struct {
	count int
	since time.Time
}

// NewPenalties returns Penalties for the wrappers of a process.
func NewPenalties() *Penalties {
	return &Penalties{
		suspects: make(map[netip.Prefix]suspicion),
		barred:   make(map[netip.Prefix]time.Time),
		genuine:  make(map[netip.Prefix]time.Time),
	}
}

// rangeOf returns the range that a penalty for addr covers: the IPv4 address itself, or
// the /64 that a single IPv6 user has.
func rangeOf(addr netip.Addr) netip.Prefix {
	addr = addr.Unmap().WithZone("")
	return netip.PrefixFrom(addr, min(addr.BitLen(), 64)).Masked()
}

// addForgery counts a forgery, and reports whether it leads to a penalty.
func (p *Penalties) addForgery(from netip.Prefix, rule Penalty) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := time.Now()
	if now.Before(p.barred[from]) || now.Sub(p.genuine[from]) < genuinePeriod {
		return false
	}
	s := p.suspects[from]
	if now.Sub(s.since) >= time.Duration(rule.Window) {
		s = suspicion{since: now}
	}
	if s.count++; s.count < rule.Count {
		set(p.suspects, from, s)
		return false
	}
	delete(p.suspects, from)
	set(p.barred, from, now.Add(time.Duration(rule.Duration)))
	return true
}

// addGenuine records a genuine update and ends any penalty of the range.
func (p *Penalties) addGenuine(from netip.Prefix) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.suspects, from)
	delete(p.barred, from)
	set(p.genuine, from, time.Now())
}

// isBarred reports whether the range may not connect.
func (p *Penalties) isBarred(from netip.Prefix) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return time.Now().Before(p.barred[from])
}

// CountBarred returns how many ranges may not connect.
func (p *Penalties) CountBarred() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := time.Now()
	maps.DeleteFunc(p.barred, func(_ netip.Prefix, end time.Time) bool { return !now.Before(end) })
	return len(p.barred)
}

// set stores an entry in a map of at most maxRanges entries. A full map loses a random
// entry: a search for the oldest would make each forgery of a flood expensive.
func set[V any](m map[netip.Prefix]V, key netip.Prefix, value V) {
	if _, known := m[key]; !known && len(m) >= maxRanges {
		for other := range m {
			delete(m, other)
			break
		}
	}
	m[key] = value
}
