package audit

import (
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"syscall"
	"testing"

	"github.com/caddy-telegram/telegramwebhook/internal/telegram"
)

// TestKept audits without the right secret, so the bot's answer is not known.
func TestKept(t *testing.T) {
	for name, tc := range map[string]struct {
		https http.Handler
		want  string // of paths
	}{
		"sound":                  {sound, "pass 12 other spellings"},
		"the bot on every path":  {onOtherPaths(with("Via", "1.1 Caddy", bot), sound), "warn perhaps by the bot: any path (200)"},
		"nothing on other paths": {onePath, "warn perhaps by the bot: any path (200)"},
		"a page on other paths":  {onOtherPaths(with("Content-Type", "text/html", answering(200, "A web page")), sound), "warn perhaps by the bot"},
		"open with a slash":      {openAt("/telegram/"), "fail answered without the secret: /telegram/ (200)"},
	} {
		t.Run(name, func(t *testing.T) {
			found := site{https: tc.https}.start(t).audit(t, auditedURL, Options{Status: registered()})
			want(t, found["paths"], tc.want)
			if _, ok := found["right secret"]; ok {
				t.Error("a secret is missed that nobody has")
			}
		})
	}
}

// TestUploaded audits a site whose certificate is uploaded to Telegram.
func TestUploaded(t *testing.T) {
	const address = "https://" + publicIP + "/telegram"
	for name, tc := range map[string]struct {
		url      string
		site     site
		uploaded bool
		want     string
	}{
		"uploaded":               {auditedURL, site{selfSigned: true}, true, "warn not trusted by this system, but Telegram has an uploaded certificate"},
		"not uploaded":           {auditedURL, site{selfSigned: true}, false, "fail unknown authority"},
		"uploaded, but expired":  {auditedURL, site{notAfter: -day}, true, "fail expired"},
		"uploaded, another name": {auditedURL, site{selfSigned: true, names: []string{"other.example.com"}}, true, "fail not for bot.example.com: with an upload"},
		"uploaded, an address":   {address, site{selfSigned: true, names: []string{publicIP}}, true, "warn not trusted by this system, but Telegram has an uploaded certificate"},
	} {
		t.Run(name, func(t *testing.T) {
			known := registered()
			known.Telegram.Certificate = tc.uploaded
			net := tc.site.start(t)
			found := net.audit(t, tc.url, Options{Status: known, Secret: theSecret})
			want(t, found["certificate"], tc.want)
			if net.secretSent.Load() {
				t.Error("the secret was sent to a server that is not trusted")
			}
		})
	}
}

// TestNoServerName audits a site that is an IP address: handshakes without a server name
// fail there.
func TestNoServerName(t *testing.T) {
	net := site{}.start(t)
	net.https = listen(t, sound, &tls.Config{GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) {
		return nil, errors.New("none")
	}})
	for url, sni := range map[string]bool{"https://" + publicIP + "/telegram": true, auditedURL: false} {
		f := net.audit(t, url, Options{})["certificate"]
		want(t, f, "fail no TLS at "+publicIP)
		if got := strings.Contains(f.Remedy, "default_sni "+publicIP); got != sni {
			t.Errorf("%s: %s", url, f.Remedy)
		}
	}
}

// TestDropped has the site's port drop connections, as the listener wrapper does
// to an address that was refused too often.
func TestDropped(t *testing.T) {
	for name, tc := range map[string]struct {
		after       int // connections
		check, seen string
	}{
		"before TLS":       {0, "address", "fail " + publicIP + " does not answer on port 443: dial tcp4: connection reset by peer"},
		"in the handshake": {1, "certificate", "fail no TLS at " + publicIP},
		"a forgery":        {4, "wrong secret", "warn not answered: "},
		"half-way":         {10, "paths", "warn 8 of 13 other paths were not answered"},
	} {
		t.Run(name, func(t *testing.T) {
			site := site{}.start(t)
			site.dropAfter(t, tc.after)
			found := site.audit(t, auditedURL, Options{Status: registered()})
			f := found[tc.check]
			want(t, f, tc.seen)
			if _, ok := found["no secret"]; ok != (tc.after > 1) {
				t.Errorf("without a connection, an update is sent: %v", ok)
			}
			if !strings.HasSuffix(f.Remedy, "; if `penalty` or a firewall drops this address, wait 10 minutes, or audit from elsewhere") {
				t.Errorf("got %+v", f)
			}
		})
	}
}

// TestRemedyFor tells dropped connections from others.
func TestRemedyFor(t *testing.T) {
	for err, want := range map[error]bool{
		telegram.ErrClosed: true, io.EOF: true, syscall.ECONNRESET: true, syscall.EPIPE: true, telegram.ErrReadTimeout: false, syscall.ECONNREFUSED: false,
	} {
		if got := remedyFor(err, "do"); strings.Contains(got, "penalty") != want || !strings.HasPrefix(got, "do") {
			t.Errorf("%v: got %q", err, got)
		}
	}
}

// dropAfter has the site's port drop connections after so many of them. The one
// for the redirect goes elsewhere.
func (n *network) dropAfter(t *testing.T, most int) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = ln.Close() })
	go func() {
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			_ = conn.(*net.TCPConn).SetLinger(0)
			_ = conn.Close()
		}
	}()
	n.diverted = func(before int) string {
		switch {
		case before < most:
			return n.https
		case most == 0:
			return reset
		}
		return ln.Addr().String()
	}
}
