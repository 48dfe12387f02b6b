package site

import (
	"context"
	"crypto/tls"
	"io"
	"log"
	"net"
	"net/http"
	"net/netip"
	"sync/atomic"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/caddy-telegram/telegramwebhook/internal/telegram"
)

// Inside sends requests to a server of this process as Telegram would send them from
// outside: through all of the server's routes, over a connection in memory.
type Inside struct {
	Server  *caddyhttp.Server
	Target  telegram.Target
	Client  netip.Addr // from which the requests come, for the server
	OverTLS bool       // whether they come over TLS, for the server
}

// Mark is in the context of the requests that Inside sends, and of no other: nobody
// outside the process can make one. It takes down the gate that is reached.
type Mark struct {
	Passes []Gate // the gates that let the request through; none for a trial
	Forget bool   // the update is not to be remembered
	gate   atomic.Pointer[Gate]
}

// Reach is called by the first gate on the way.
func (m *Mark) Reach(gate Gate) { m.gate.Store(&gate) }

// Reached returns the gate; nil if there was none.
func (m *Mark) Reached() Gate {
	if gate := m.gate.Load(); gate != nil {
		return *gate
	}
	return nil
}

type markKey struct{}

// MarkOf returns the mark of a request; nil for one that came from outside.
func MarkOf(r *http.Request) *Mark {
	mark, _ := r.Context().Value(markKey{}).(*Mark)
	return mark
}

// Send sends a request with an update, and without a secret. The answer is read as
// Telegram reads it. A handler that panics ends the connection and not the process.
func (in Inside) Send(mark *Mark, update []byte, within time.Duration) *telegram.Answer {
	ours, theirs := net.Pipe()
	defer ours.Close()
	server := http.Server{
		Handler:  in,
		ErrorLog: log.New(io.Discard, "", 0), // it would have the panics, which may hold anything
		ConnContext: func(ctx context.Context, _ net.Conn) context.Context {
			return context.WithValue(ctx, markKey{}, mark)
		},
	}
	listener := &oneConn{conn: make(chan net.Conn, 1), closed: make(chan struct{})}
	listener.conn <- theirs
	go func() { _ = server.Serve(listener) }()
	defer server.Close()
	return telegram.Exchange(ours, in.Target.Request("", update), time.Now().Add(within))
}

// ServeHTTP tells the server where the request comes from.
func (in Inside) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	r.RemoteAddr = netip.AddrPortFrom(in.Client, 443).String()
	if in.OverTLS {
		r.TLS = &tls.ConnectionState{Version: tls.VersionTLS13, CipherSuite: tls.TLS_AES_128_GCM_SHA256, HandshakeComplete: true}
		if _, err := netip.ParseAddr(in.Target.ServerName()); err != nil { // to an IP address no server name is sent
			r.TLS.ServerName = in.Target.ServerName()
		}
	} else {
		r.Header.Set("X-Forwarded-Proto", "https")
	}
	local := &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: in.Target.Port}
	in.Server.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), http.LocalAddrContextKey, local)))
}

// HasSite reports whether the server has a route for the target's host.
func (in Inside) HasSite() bool {
	r := (&http.Request{Host: in.Target.ServerName()}).WithContext(context.WithValue(context.Background(), caddy.ReplacerCtxKey, caddy.NewReplacer()))
	for _, route := range in.Server.Routes {
		if len(route.MatcherSets) == 0 {
			return true
		}
		for _, set := range route.MatcherSets {
			if matchesHost(set, r) {
				return true
			}
		}
	}
	return false
}

func matchesHost(set caddyhttp.MatcherSet, r *http.Request) bool {
	for _, m := range set {
		if host, ok := m.(*caddyhttp.MatchHost); ok && !host.Match(r) {
			return false
		}
	}
	return true
}

// oneConn is a listener for one connection.
type oneConn struct {
	conn   chan net.Conn
	closed chan struct{}
}

func (l *oneConn) Accept() (net.Conn, error) {
	select {
	case conn := <-l.conn:
		return conn, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

func (l *oneConn) Close() error {
	close(l.closed)
	return nil
}

func (l *oneConn) Addr() net.Addr { return &net.TCPAddr{} }
