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
func (g *Guard) WrapListener(l net.Listener) net.Listener { return &listener{l, g} }

// listener gives on only the connections that may come in.
type listener struct {
	net.Listener
	guard *Guard
}

// Accept waits for a connection that may come in. The others are reset at once:
// that leaves nothing behind on this side.
func (l *listener) Accept() (net.Conn, error) {
	for {
		conn, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		reason, drop := l.guard.judge(conn.RemoteAddr())
		if !drop {
			return conn, nil
		}
		if tcp, ok := conn.(interface{ SetLinger(int) error }); ok {
			_ = tcp.SetLinger(0)
		}
		_ = conn.Close()
		metrics.Dropped(reasons[reason])
		l.guard.dropped.Add(reason, func() []zap.Field {
			return []zap.Field{zap.Stringer("remote_ip", conn.RemoteAddr().(*net.TCPAddr).IP)}
		})
	}
}

// judge decides whether a connection is dropped. What has no IP address, such as
// the peer of a Unix socket, is not.
func (g *Guard) judge(remote net.Addr) (reason int, drop bool) {
	tcp, ok := remote.(*net.TCPAddr)
	if !ok {
		return 0, false
	}
	addr, ok := netip.AddrFromSlice(tcp.IP)
	if !ok {
		return 0, false
	}
	if len(g.only) > 0 && !g.only.ContainsAddr(addr) {
		return outside, true
	}
	return barred, g.Penalty != nil && penalties.barred(subject(addr), time.Now())
}
