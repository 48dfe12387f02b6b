package site

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/caddy-telegram/telegramwebhook/internal/telegram"
)

// Answer says who has answered a trial.
type Answer struct {
	Gate   Gate  // nil if it was another handler
	Status int   // of the other handler's answer
	Err    error // why there was none
}

// trialTimeout bounds a trial, as handlers before the gate may do anything.
const trialTimeout = 5 * time.Second

var errNoAnswer = fmt.Errorf("there was no answer within %s", trialTimeout)

// Try sends a request through the server's own routes and returns who answered first.
// The request is marked in its context, which nobody outside the process can do. A gate
// answers it itself; the handlers before the gate run as for an update.
func Try(ctx context.Context, server *caddyhttp.Server, r *http.Request) Answer {
	ctx, cancel := context.WithTimeout(ctx, trialTimeout)
	defer cancel()
	w := &trialWriter{header: make(http.Header), answers: make(chan Answer, 1)}
	go func() {
		defer func() {
			if recover() != nil { // of a handler, which must not end the process
				w.answer(Answer{Err: errors.New("the connection was closed without an answer")})
			}
		}()
		server.ServeHTTP(w, r.WithContext(context.WithValue(ctx, trialKey{}, w)))
		w.WriteHeader(http.StatusOK) // unless there has been another status
	}()
	select {
	case answer := <-w.answers:
		return answer
	case <-ctx.Done():
		return Answer{Err: errNoAnswer}
	}
}

type trialKey struct{}

// EndTrial reports whether the request is a trial, which ends at the gate.
func EndTrial(r *http.Request, gate Gate) bool {
	w, ok := r.Context().Value(trialKey{}).(*trialWriter)
	if ok {
		w.answer(Answer{Gate: gate})
	}
	return ok
}

// trialWriter takes the first answer to a trial and drops the rest.
type trialWriter struct {
	header  http.Header
	answers chan Answer
}

func (w *trialWriter) answer(a Answer) {
	select {
	case w.answers <- a:
	default:
	}
}

func (w *trialWriter) Header() http.Header { return w.header }

func (w *trialWriter) WriteHeader(status int) {
	if status >= 200 {
		w.answer(Answer{Status: status})
	}
}

func (w *trialWriter) Write(b []byte) (int, error) {
	w.WriteHeader(http.StatusOK)
	return len(b), nil
}

// NewRequest returns a request as Telegram would send it to the target, for a server of
// this process. It has no secret. The server is told that it came from client, over TLS
// if overTLS.
func NewRequest(target telegram.Target, client netip.Addr, overTLS bool, body []byte) (*http.Request, error) {
	r, err := http.ReadRequest(bufio.NewReader(bytes.NewReader(target.Request("", body))))
	if err != nil {
		return nil, err
	}
	r.RemoteAddr = netip.AddrPortFrom(client, uint16(target.Port)).String()
	r.Header.Set("X-Forwarded-Proto", "https")
	if overTLS {
		r.Header.Del("X-Forwarded-Proto")
		r.TLS = &tls.ConnectionState{
			Version: tls.VersionTLS13, CipherSuite: tls.TLS_AES_128_GCM_SHA256, HandshakeComplete: true, ServerName: target.ServerName(),
		}
	}
	local := &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: target.Port}
	return r.WithContext(context.WithValue(context.Background(), http.LocalAddrContextKey, local)), nil
}

// Serves reports whether the server has a route for the request's host.
func Serves(server *caddyhttp.Server, r *http.Request) bool {
	r = r.WithContext(context.WithValue(r.Context(), caddy.ReplacerCtxKey, caddy.NewReplacer()))
	for _, route := range server.Routes {
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
