package listener

import (
	"errors"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"sync"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"go.uber.org/zap"

	"github.com/caddy-telegram/telegramwebhook/internal/clientip"
	"github.com/caddy-telegram/telegramwebhook/internal/metrics"
)

// The reasons to drop a connection; reasons holds their names in logs and metrics.
const (
	reasonAddress = iota // `only` does not include the address
	reasonPenalty        // the address has sent too many forgeries
)

var reasons = []string{"address", "penalty"}

// WrapListener satisfies caddy.ListenerWrapper.
func (w *Wrapper) WrapListener(l net.Listener) net.Listener { return &listener{l, w} }

type listener struct {
	net.Listener
	wrapper *Wrapper
}

// Accept wraps the next connection and does nothing else. It handles all connections of the socket one after another,
// so it must not wait: not even for the peer's address, which proxy_protocol knows only once its header has arrived.
func (l *listener) Accept() (net.Conn, error) {
	inner, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &conn{Conn: inner, wrapper: l.wrapper}, nil
}

// conn checks its peer at the first Read, in the goroutine that serves the connection.
type conn struct {
	net.Conn
	wrapper *Wrapper
	judge   sync.Once
	dropped bool // set by judge
}

// Read drops the connection if its peer may not connect. It then returns io.EOF, the only
// error that net/http does not log on plain HTTP.
func (c *conn) Read(p []byte) (int, error) {
	c.judge.Do(func() { c.dropped = c.wrapper.drop(c.Conn) })
	if c.dropped {
		return 0, io.EOF
	}
	return c.Conn.Read(p)
}

// ReadFrom lets net/http send files with sendfile(2) if the connection supports it.
func (c *conn) ReadFrom(r io.Reader) (int64, error) { return io.Copy(c.Conn, r) }

// CloseWrite closes the write side of the connection if the connection supports it. net/http and reverse_proxy use it.
func (c *conn) CloseWrite() error {
	if inner, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return inner.CloseWrite()
	}
	return errors.ErrUnsupported
}

// drop closes the connection if its peer may not connect, and reports whether it did.
func (w *Wrapper) drop(c net.Conn) bool {
	addr, ok := parseAddr(c.RemoteAddr().String())
	if !ok {
		return false // such as the peer of a Unix socket
	}
	var reason int
	switch {
	case len(w.only) > 0 && !w.only.ContainsAddr(addr):
		reason = reasonAddress
	case w.Penalty != nil && w.penalties.isBarred(rangeOf(addr)) && !w.trusts(addr):
		reason = reasonPenalty
	default:
		return false
	}
	if tcp, ok := c.(interface{ SetLinger(sec int) error }); ok {
		_ = tcp.SetLinger(0) // a reset leaves no state of the connection behind
	}
	_ = c.Close()
	metrics.Dropped.WithLabelValues(reasons[reason]).Inc()
	w.droppedLog.Add(reason, func() []zap.Field { return []zap.Field{zap.Stringer("remote_ip", addr)} })
	return true
}

// parseAddr parses the format of net.Addr.String and http.Request.RemoteAddr.
func parseAddr(s string) (netip.Addr, bool) {
	ap, err := netip.ParseAddrPort(s)
	return ap.Addr().Unmap(), err == nil
}

// trusts reports whether the server trusts addr as a proxy. All servers share the penalties, which survive a reload. A
// trusted proxy may therefore be barred: by a server that does not trust it, or before it was configured.
func (w *Wrapper) trusts(addr netip.Addr) bool {
	r := &http.Request{URL: new(url.URL), RemoteAddr: netip.AddrPortFrom(addr, 0).String()}
	return clientip.TrustedProxy(caddyhttp.PrepareRequest(r, caddy.NewEmptyReplacer(), nil, w.server))
}
