package guard

import (
	"net/netip"
	"sync"
	"time"
)

const (
	// muteAfter is how many dropped connections within muteFor make an address one
	// that knocks on and on.
	muteAfter = 10

	// muteFor is how long such an address gets no answer. Then Accept drops it again,
	// which the log tells, and in the end it is muted anew.
	muteFor = time.Minute

	// muteLook is how often it is looked whether an address must still be muted.
	muteLook = time.Second

	maxKnockers = 1024
	maxMuted    = 256 // the kernel tries them one after the other, for every new connection
)

// mute has the kernel no longer answer addresses that knock on and on: it throws
// away the first packet of a connection that they begin. That costs Caddy nothing,
// and who forges waits for an answer that does not come.
//
// It is a filter on the listening socket, which needs no privilege. Connections
// that are open are not concerned.
type mute struct {
	socket controller
	still  func(netip.Prefix) bool // whether what comes from there would still be dropped
	begun  func(netip.Prefix)      // is told of each that is muted
	thrown func(uint64)            // is told how many packets were thrown away

	mu     sync.Mutex
	knocks map[netip.Prefix]int // since the time below
	since  time.Time
	muted  map[netip.Prefix]time.Time // until when
	count  uint32                     // what the kernel has thrown away at this socket
	timer  *time.Timer
	ended  bool // with its listener, or since the kernel takes no filter
}

// newMute is for that socket; it does nothing where there is none that can filter.
func newMute(socket controller) *mute {
	return &mute{socket: socket, knocks: make(map[netip.Prefix]int), muted: make(map[netip.Prefix]time.Time), ended: !filters(socket)}
}

// knocked is told of a connection that was dropped, and by whom it was made.
func (m *mute) knocked(s netip.Prefix, now time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.ended {
		return
	}
	if now.Sub(m.since) >= muteFor {
		clear(m.knocks)
		m.since = now
	}
	if _, known := m.knocks[s]; !known && len(m.knocks) >= maxKnockers {
		return
	}
	m.knocks[s]++
	if m.knocks[s] < muteAfter || len(m.muted) >= maxMuted || !m.still(s) {
		return
	}
	delete(m.knocks, s)
	if _, already := m.muted[s]; already {
		return // it had waited since before
	}
	first := len(m.muted) == 0
	if first {
		m.count = thrownAway(m.socket)
	}
	m.muted[s] = now.Add(muteFor)
	if !m.apply() {
		return
	}
	m.begun(s)
	if first {
		m.timer = time.AfterFunc(muteLook, func() { m.look(time.Now()) })
	}
}

// look ends what is to end.
func (m *mute) look(now time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.ended {
		return
	}
	m.tell()
	before := len(m.muted)
	for s, until := range m.muted {
		if !now.Before(until) || !m.still(s) {
			delete(m.muted, s)
		}
	}
	if len(m.muted) != before && !m.apply() {
		return
	}
	if len(m.muted) > 0 {
		m.timer.Reset(muteLook)
	}
}

// tell counts what the kernel has thrown away since it was last asked.
func (m *mute) tell() {
	count := thrownAway(m.socket)
	if count > m.count { // otherwise the kernel has begun anew, or does not tell
		m.thrown(uint64(count - m.count))
	}
	m.count = count
}

// apply gives the kernel the addresses. Where it does not take them, all goes on
// without a filter: an old one would keep out who may come in again.
func (m *mute) apply() bool {
	muted := make([]netip.Prefix, 0, len(m.muted))
	for s := range m.muted {
		muted = append(muted, s)
	}
	if !filter(m.socket, muted) {
		m.ended = true
		filter(m.socket, nil)
	}
	return !m.ended
}

// end is for a listener that is closed.
func (m *mute) end() {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.ended {
		return
	}
	m.ended = true
	if m.timer != nil {
		m.timer.Stop()
		m.tell()
	}
}
