package probe

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/caddy-telegram/telegramwebhook/internal/wire"
)

// pipes is a listener whose connections are in memory.
type pipes struct {
	conns chan net.Conn
	done  chan struct{}
	once  sync.Once
}

func (p *pipes) dial(context.Context, string, string) (net.Conn, error) {
	client, server := net.Pipe()
	p.conns <- server
	return client, nil
}

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case conn := <-p.conns:
		return conn, nil
	case <-p.done:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Close() error   { p.once.Do(func() { close(p.done) }); return nil }
func (p *pipes) Addr() net.Addr { return &net.TCPAddr{} }

// A bot has as long as Telegram gives it, also where the secret is not asked for;
// and a path that never answers does not hold up the audit forever.
func TestSlowPaths(t *testing.T) {
	for name, tc := range map[string]struct {
		path  string // which is slow; * for all but the url
		pause time.Duration
		want  string
	}{
		"a slow bot":       {"/hook/", 12 * time.Second, "fail answered without the secret: /hook/ (200)"},
		"a very slow bot":  {"/hook/", 59 * time.Second, "fail answered without the secret: /hook/ (200)"},
		"slow everywhere":  {"*", 12 * time.Second, "fail answered without the secret: any path (200), //hook (200), /hook/ (200), /HOOK (200) and 9 more"},
		"a dead end":       {"/hook/", time.Hour, "warn 1 of 13 other paths were not answered, so nothing is known of them: /hook/"},
		"only dead ends":   {"*", time.Hour, "warn 13 of 13 other paths were not answered"},
		"a quick bot":      {"/hook/", 0, "fail answered without the secret: /hook/ (200)"},
		"nothing but that": {"", 0, "pass 12 other spellings"},
	} {
		synctest.Test(t, func(t *testing.T) {
			p := &pipes{conns: make(chan net.Conn), done: make(chan struct{})}
			server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				genuine := r.RequestURI == "/hook" && r.Header.Get(wire.SecretHeader) == "right"
				switch {
				case r.RequestURI == tc.path, tc.path == "*" && r.RequestURI != "/hook":
					select {
					case <-time.After(tc.pause):
					case <-p.done:
					}
				case !genuine:
					w.WriteHeader(http.StatusForbidden)
				}
			})}
			go func() { _ = server.Serve(p) }()
			began := time.Now()
			findings, requests := Outside(t.Context(), target(t, "http://bot.example.com/hook"), Options{
				Secret: "right", Dial: p.dial,
				Lookup: func(context.Context, string) ([]netip.Addr, error) {
					return []netip.Addr{netip.MustParseAddr("127.0.0.1")}, nil
				},
			})
			if took := time.Since(began); took > 5*time.Minute || requests > MaxRequests {
				t.Errorf("%s: took %s and %d requests", name, took, requests)
			}
			got := ""
			for _, f := range findings {
				if f.Check == "paths" {
					got = fmt.Sprintf("%s %s", f.Result, f.Seen)
				}
			}
			if !strings.HasPrefix(got, tc.want) {
				t.Errorf("%s: got %q", name, got)
			}
			_ = server.Close()
		})
	}
}
