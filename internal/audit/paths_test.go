package audit

import (
	"context"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"
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

// TestSlowPaths has a bot that is slow on other paths: it has as long as Telegram
// gives it, and a path that never answers does not hold up the audit.
func TestSlowPaths(t *testing.T) {
	for name, tc := range map[string]struct {
		path  string // which is slow; * for all but the url
		pause time.Duration
		want  string
	}{
		"a slow bot":      {"/hook/", 59 * time.Second, "fail answered without the secret: /hook/ (200)"},
		"slow everywhere": {"*", 59 * time.Second, "fail answered without the secret: any path (200), //hook (200), /hook/ (200)"},
		"a dead end":      {"/hook/", time.Hour, "warn 1 of 13 other paths were not answered: /hook/"},
		"only dead ends":  {"*", time.Hour, "warn 13 of 13 other paths were not answered"},
	} {
		synctest.Test(t, func(t *testing.T) {
			p := &pipes{conns: make(chan net.Conn), done: make(chan struct{})}
			server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				switch {
				case r.RequestURI == tc.path, tc.path == "*" && r.RequestURI != "/hook":
					select {
					case <-time.After(tc.pause):
					case <-p.done:
					}
				case r.RequestURI != "/hook" || !genuine(r):
					w.WriteHeader(http.StatusForbidden)
				}
			})}
			go func() { _ = server.Serve(p) }()
			began := time.Now()
			findings := Run(t.Context(), Options{
				Target: target(t, "http://bot.example.com/hook"), Secret: theSecret, Dial: p.dial,
				Lookup: func(context.Context, string, string) ([]netip.Addr, error) {
					return []netip.Addr{netip.MustParseAddr("127.0.0.1")}, nil
				},
			})
			if took := time.Since(began); took > 61*time.Second {
				t.Errorf("%s: took %s", name, took)
			}
			if last := findings[len(findings)-1]; last.Check != "paths" {
				t.Errorf("%s: got %+v", name, last)
			} else {
				want(t, last, tc.want)
			}
			_ = server.Close()
		})
	}
}

func TestVariants(t *testing.T) {
	for query, want := range map[string][]string{
		"/telegram": {
			"//telegram", "/telegram/", "/TELEGRAM", "/telegram.", "/telegram;x", "/telegram%2f", "/telegram%20", "/telegram/x",
			"/./telegram", "/x/../telegram", "/%74elegram", "/telegram?audit=1",
		},
		"/one/two/?x=1": {
			"//one/two/?x=1", "/one/two//?x=1", "/one/two?x=1", "/ONE/TWO/?x=1", "/one/two/.?x=1", "/one/two/;x?x=1", "/one/two/%2f?x=1",
			"/one/two/%20?x=1", "/one/two//x?x=1", "/./one/two/?x=1", "/x/../one/two/?x=1", "/one/two/?x=1&audit=1",
		},
		"/": {"//", "/.", "/;x", "/%2f", "/%20", "//x", "/./", "/x/../", "/?audit=1"},
	} {
		if got := variants(query); !slices.Equal(got, want) {
			t.Errorf("%s: got %q, want %q", query, got, want)
		}
	}
}
