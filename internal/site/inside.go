package site

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/caddy-telegram/telegramwebhook/internal/telegram"
)

// Inside sends requests to a server of this process as Telegram would send them from outside: through all of the
// server's routes.
type Inside struct {
	Server  *caddyhttp.Server
	Target  telegram.Target
	Client  netip.Addr // from which the requests come, for the server
	OverTLS bool       // whether they come over TLS, for the server
}

// Mark is in the context of the requests that Inside sends, and of no other: nobody outside the process can make one.
// It takes down the gate that is reached.
type Mark struct {
	Passes []Gate // the gates that let the request through; none for a trial
	Forget bool   // the update is not to be remembered
	gate   atomic.Value
}

// Reach is called by the first gate on the way.
func (m *Mark) Reach(gate Gate) { m.gate.Store(gate) }

// Reached returns the gate; nil if there was none.
func (m *Mark) Reached() Gate {
	gate, _ := m.gate.Load().(Gate)
	return gate
}

type markKey struct{}

// MarkOf returns the mark of a request; nil for one that came from outside.
func MarkOf(r *http.Request) *Mark {
	mark, _ := r.Context().Value(markKey{}).(*Mark)
	return mark
}

// Send sends a request with an update, and without a secret. The answer is read as Telegram reads it. A handler that
// panics ends the request and not the process.
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

// maxBody bounds an answer's body in memory. Telegram takes no more than 51 MiB.
const maxBody = 64 << 20

// response keeps what a server answers to a request without a connection.
type response struct {
	header http.Header
	status int         // 0 before it is written
	sent   http.Header // as it was then
	body   bytes.Buffer
}

func (w *response) Header() http.Header { return w.header }

// WriteHeader takes the first status for the answer's, as Telegram does with a 1xx.
func (w *response) WriteHeader(status int) {
	if w.status == 0 {
		w.status, w.sent = status, w.header.Clone()
	}
}

func (w *response) Write(p []byte) (int, error) {
	w.WriteHeader(http.StatusOK)
	if w.body.Len()+len(p) > maxBody {
		return 0, http.ErrContentLength
	}
	return w.body.Write(p)
}

// answerOf returns the answer of a handler to a request, as Telegram reads it. After a panic, which is how a handler
// breaks off, there is none.
func answerOf(handler http.Handler, r *http.Request) (answer *telegram.Answer) {
	defer func() {
		if recover() != nil {
			answer = &telegram.Answer{Err: telegram.ErrClosed}
		}
	}()
	w := &response{header: make(http.Header)}
	handler.ServeHTTP(w, r)
	w.WriteHeader(http.StatusOK)
	if w.sent.Get("Content-Length") == "" {
		w.sent.Set("Content-Length", strconv.Itoa(w.body.Len()))
	}
	w.sent.Del("Transfer-Encoding")
	var head bytes.Buffer
	fmt.Fprintf(&head, "HTTP/1.1 %03d %s\r\n", w.status, http.StatusText(w.status))
	_ = w.sent.Write(&head)
	head.WriteString("\r\n")
	return telegram.ReadAnswer(bufio.NewReader(io.MultiReader(&head, &w.body)))
}

// The following methods are for http.ResponseController. Nothing waits for a client here.

func (w *response) Flush()                           { w.WriteHeader(http.StatusOK) }
func (w *response) EnableFullDuplex() error          { return nil }
func (w *response) SetReadDeadline(time.Time) error  { return nil }
func (w *response) SetWriteDeadline(time.Time) error { return nil }
