package guard

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync/atomic"
	"testing"
	"time"
)

// muting is a listener that takes both kinds of addresses, and counts.
type muting struct {
	*mute
	t        *testing.T
	listener net.Listener
	freed    atomic.Bool
	told     []netip.Prefix
	unheard  uint64
}

func newMuting(t *testing.T) *muting {
	t.Helper()
	var plain net.ListenConfig
	plain.SetMultipathTCP(false)
	l, err := plain.Listen(t.Context(), "tcp", ":0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	m := &muting{t: t, listener: l, mute: newMute(socketOf(l))}
	m.still = func(netip.Prefix) bool { return !m.freed.Load() }
	m.begun = func(s netip.Prefix) { m.told = append(m.told, s) }
	m.thrown = func(n uint64) { m.unheard += n }
	t.Cleanup(m.end)
	return m
}

// answered reports whether somebody at that address can connect. Who is not
// answered would wait for ever; a second is longer than a loopback ever takes.
func (m *muting) answered(from string) bool {
	m.t.Helper()
	to := "127.0.0.1"
	if netip.MustParseAddr(from).Is6() {
		to = "::1"
	}
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}, Timeout: time.Second}
	conn, err := d.Dial("tcp", net.JoinHostPort(to, fmt.Sprint(m.listener.Addr().(*net.TCPAddr).Port)))
	if err != nil {
		var timeout net.Error
		if !errors.As(err, &timeout) || !timeout.Timeout() {
			m.t.Errorf("from %s: %v, want no answer at all", from, err)
		}
		return false
	}
	m.t.Cleanup(func() { conn.Close() })
	return true
}

func (m *muting) knock(times int, now time.Time, from ...string) {
	for _, address := range from {
		for range times {
			m.knocked(of(address), now)
		}
	}
}

// TestMute has addresses of both kinds knock on and on: they are no longer
// answered, others are, and what is open stays so.
func TestMute(t *testing.T) {
	m := newMuting(t)
	if !m.answered("127.0.0.5") || !m.answered("::1") {
		t.Fatal("nobody is answered")
	}
	now := time.Now()
	m.knock(muteAfter-1, now, "127.0.0.5", "::1")
	if !m.answered("127.0.0.5") || !m.answered("::1") {
		t.Error("not answered before it has knocked often enough")
	}
	m.knock(1, now, "127.0.0.5", "::1")
	if m.answered("127.0.0.5") || m.answered("::1") {
		t.Error("still answered")
	}
	if !m.answered("127.0.0.6") || !m.answered("127.0.0.4") {
		t.Error("another address is not answered")
	}
	if len(m.told) != 2 {
		t.Errorf("told of %v, want both", m.told)
	}
	m.look(now.Add(time.Second))
	if m.unheard < 2 {
		t.Errorf("%d packets were thrown away, want those of both", m.unheard)
	}
	m.look(now.Add(muteFor))
	if !m.answered("127.0.0.5") || !m.answered("::1") {
		t.Error("not answered when the time is over")
	}
}

// TestMuteManners has an address that may come in again, knocks that are far
// apart, and a listener that ends.
func TestMuteManners(t *testing.T) {
	m := newMuting(t)
	now := time.Now()
	m.knock(muteAfter, now, "127.0.0.5")
	m.freed.Store(true)
	m.look(now)
	if !m.answered("127.0.0.5") {
		t.Error("not answered, though it may come in")
	}
	m.freed.Store(false)
	for i := range 2 * muteAfter {
		m.knock(1, now.Add(time.Duration(i)*muteFor/muteAfter*2), "127.0.0.6")
	}
	if len(m.told) > 1 {
		t.Error("muted for knocks that were far apart")
	}
	m.end()
	m.knock(muteAfter, now.Add(time.Hour), "127.0.0.7")
	if len(m.told) > 1 {
		t.Error("muted at a listener that is closed")
	}
}

// TestMuteMany bounds what a flood from many addresses takes: the kernel takes a
// filter that is as long as it may get.
func TestMuteMany(t *testing.T) {
	m := newMuting(t)
	now := time.Now()
	for i := range 4 * maxKnockers {
		s := subject(netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)}))
		if i%2 == 0 {
			s = subject(netip.AddrFrom16([16]byte{0x20, 1, 0xd, 0xb8, 0, 0, byte(i >> 8), byte(i), 1}))
		}
		for range muteAfter {
			m.knocked(s, now)
		}
	}
	m.mu.Lock()
	if m.ended {
		t.Error("the kernel does not take the filter")
	}
	if len(m.muted) != maxMuted || len(m.knocks) > maxKnockers {
		t.Errorf("%d addresses are muted and %d watched, want %d and at most %d", len(m.muted), len(m.knocks), maxMuted, maxKnockers)
	}
	for s := range m.muted {
		delete(m.muted, s) // makes room for one
		break
	}
	m.mu.Unlock()
	for _, address := range []string{"127.0.0.1", "::1"} {
		if !m.answered(address) {
			t.Errorf("%s is not answered", address)
		}
	}
	m.knock(muteAfter, now.Add(muteFor), "127.0.0.5")
	if m.answered("127.0.0.5") {
		t.Error("the last of so many is answered")
	}
}

// TestMuteWithoutFilters goes on where the kernel takes none.
func TestMuteWithoutFilters(t *testing.T) {
	m := newMute(nil)
	for range 2 * muteAfter {
		m.knocked(of("127.0.0.5"), time.Now())
	}
	m.end()
	l := newMuting(t)
	l.listener.Close()
	l.knock(2*muteAfter, time.Now(), "127.0.0.5")
	if !l.ended || len(l.told) > 0 {
		t.Error("told of an address that the kernel was not told of")
	}
}
