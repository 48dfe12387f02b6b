package guard

import (
	"net"
	"net/netip"
	"time"

	"go.uber.org/zap"

	"github.com/caddy-telegram/telegramwebhook/internal/metrics"
)

// The reasons for which a connection is dropped.
const (
	outside = iota // its address is not one of the only ones
	barred         // it has forged too often
)

// unanswered is the reason of packets that the kernel has thrown away, from
// addresses that were dropped before.
const unanswered = "unanswered"

var reasons = []string{"address", "penalty"}

// allReasons are those of the metrics.
var allReasons = append(reasons[:len(reasons):len(reasons)], unanswered)

// WrapListener satisfies caddy.ListenerWrapper.
func (g *Guard) WrapListener(l net.Listener) net.Listener {
	socket := socketOf(l)
	m := newMute(socket)
	if m.ended && socket != nil {
		g.logger.Info("the kernel is not told of addresses that keep coming: this socket takes no filter; with GODEBUG=multipathtcp=0 in the environment of Caddy it may")
	}
	m.still, m.begun, m.thrown = g.bars, g.muted, func(n uint64) { metrics.Dropped(unanswered, n) }
	return &listener{l, g, socket, m}
}

// listener gives on only the connections that may come in.
type listener struct {
	net.Listener
	guard  *Guard
	socket controller // nil if connections come by Accept alone
	mute   *mute
}

// Close closes the listener.
func (l *listener) Close() error {
	l.mute.end()
	return l.Listener.Close()
}

// gather is how long connections are left to gather after one was dropped. It
// is far below what a handshake takes on the way from Telegram.
const gather = 5 * time.Millisecond

// Accept waits for a connection that may come in. The others are reset at once:
// that leaves nothing behind on this side.
func (l *listener) Accept() (net.Conn, error) {
	for {
		conn, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		addr := addrOf(conn)
		reason, drop := l.guard.judge(addr)
		if !drop {
			return conn, nil
		}
		if tcp, ok := conn.(interface{ SetLinger(int) error }); ok {
			_ = tcp.SetLinger(0)
		}
		_ = conn.Close()
		l.dropped(reason, addr)
		// In a flood others follow. To be woken for each of them would cost as much
		// as to drop it.
		time.Sleep(gather)
		if conn := l.next(); conn != nil {
			return conn, nil
		}
	}
}

// addrOf is the peer's address: none for what has no IP address, such as the peer
// of a Unix socket.
func addrOf(conn net.Conn) netip.Addr {
	tcp, ok := conn.RemoteAddr().(*net.TCPAddr)
	if !ok {
		return netip.Addr{}
	}
	addr, _ := netip.AddrFromSlice(tcp.IP)
	return addr.Unmap()
}

// judge decides whether a connection is dropped.
func (g *Guard) judge(addr netip.Addr) (reason int, drop bool) {
	switch {
	case !addr.IsValid():
		return 0, false
	case len(g.only) > 0 && !g.only.ContainsAddr(addr):
		return outside, true
	}
	return barred, g.Penalty != nil && penalties.barred(subject(addr), time.Now())
}

// bars reports whether no connection at all from there may come in.
func (g *Guard) bars(s netip.Prefix) bool {
	if len(g.only) > 0 && !g.only.Overlaps(s) {
		return true
	}
	return g.Penalty != nil && penalties.barred(s, time.Now())
}

// dropped counts a connection that was dropped.
func (l *listener) dropped(reason int, addr netip.Addr) {
	metrics.Dropped(reasons[reason], 1)
	l.guard.dropped.Add(reason, func() []zap.Field { return []zap.Field{zap.Stringer("remote_ip", addr)} })
	l.mute.knocked(subject(addr), time.Now())
}

// muted logs that an address is not answered for a while.
func (g *Guard) muted(s netip.Prefix) {
	g.silenced.Add(0, func() []zap.Field { return []zap.Field{zap.Stringer("range", s), zap.Duration("for", muteFor)} })
}
