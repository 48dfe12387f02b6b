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

var reasons = []string{"address", "penalty"}

// WrapListener satisfies caddy.ListenerWrapper.
func (g *Guard) WrapListener(l net.Listener) net.Listener { return &listener{l, g, socketOf(l)} }

// listener gives on only the connections that may come in.
type listener struct {
	net.Listener
	guard  *Guard
	socket controller // nil if connections come by Accept alone
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
		l.guard.count(reason, addr)
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

// count counts a connection that was dropped.
func (g *Guard) count(reason int, addr netip.Addr) {
	metrics.Dropped(reasons[reason])
	g.dropped.Add(reason, func() []zap.Field { return []zap.Field{zap.Stringer("remote_ip", addr)} })
}
