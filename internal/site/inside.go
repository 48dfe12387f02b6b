package site

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"net"
	"net/http"
	"net/netip"
	"sync/atomic"
	"time"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/caddy-telegram/telegramwebhook/internal/telegram"
)

// Inside sends requests to a server of this process as Telegram would send them from
// outside: through all of the server's routes.
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
// Telegram reads it. A handler that panics ends the request and not the process.
func (in Inside) Send(mark *Mark, update []byte, within time.Duration) *telegram.Answer {
	ctx, cancel := context.WithCancel(context.WithValue(context.Background(), markKey{}, mark))
	defer cancel()
	r, err := in.request(ctx, update)
	if err != nil {
		return &telegram.Answer{Err: err}
	}
	answer := make(chan *telegram.Answer, 1)
	go func() { answer <- answerOf(in.Server, r) }()
	select {
	case a := <-answer:
		return a
	case <-time.After(within):
		return &telegram.Answer{Err: telegram.ErrReadTimeout}
	}
}

// request returns a request as the server would have it from Telegram.
func (in Inside) request(ctx context.Context, update []byte) (*http.Request, error) {
	r, err := http.ReadRequest(bufio.NewReader(bytes.NewReader(in.Target.Request("", update))))
	if err != nil {
		return nil, err
	}
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
	return r.WithContext(context.WithValue(ctx, http.LocalAddrContextKey, local)), nil
}
