package audit

import (
	"crypto/tls"
	"encoding/pem"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/caddy-telegram/telegramwebhook/internal/status"
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

// TestUploaded audits a site whose certificate is uploaded to Telegram, which then trusts no
// other.
func TestUploaded(t *testing.T) {
	const address = "https://" + publicIP + "/telegram"
	for name, tc := range map[string]struct {
		url    string
		site   site
		upload func(net *network) []byte // nil for none
		want   string
	}{
		"the same":          {auditedURL, site{selfSigned: true}, leafOf, "pass uploaded, trusted, for this host, 76 days left"},
		"none":              {auditedURL, site{selfSigned: true}, nil, "fail unknown authority"},
		"expired":           {auditedURL, site{selfSigned: true, notAfter: -day}, leafOf, "fail expired"},
		"for another name":  {auditedURL, site{selfSigned: true, names: []string{"other.example.com"}}, leafOf, "fail bot.example.com has to be one of its DNS names"},
		"for an address":    {address, site{selfSigned: true, names: []string{publicIP}}, leafOf, "pass uploaded, trusted"},
		"another one":       {auditedURL, site{selfSigned: true}, func(*network) []byte { return leafOf(site{selfSigned: true}.start(t)) }, "fail unknown authority"},
		"beside a public":   {auditedURL, site{}, func(*network) []byte { return leafOf(site{selfSigned: true}.start(t)) }, "fail unknown authority"},
		"cannot be read":    {auditedURL, site{selfSigned: true}, func(*network) []byte { return []byte("x") }, "fail the certificate to upload is empty"},
		"expires this week": {auditedURL, site{selfSigned: true, notAfter: 5*day + time.Hour}, leafOf, "warn 5 days left"},
	} {
		t.Run(name, func(t *testing.T) {
			net, known := tc.site.start(t), registered()
			if tc.upload != nil {
				known.Certificate = string(tc.upload(net))
			}
			found := net.audit(t, tc.url, Options{Status: known, Secret: theSecret})
			want(t, found["certificate"], tc.want)
			if sent := net.secretSent.Load(); sent != (found["certificate"].Result != Fail) {
				t.Errorf("the secret was sent: %v", sent)
			}
		})
	}
}

func leafOf(net *network) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: net.leaf})
}

// TestMark has the trials carry the mark of the webhook's own Caddy.
func TestMark(t *testing.T) {
	for _, mark := range []string{"", "AUDIT"} {
		var requests, marked atomic.Int32
		net := site{https: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			requests.Add(1)
			if r.Header.Get(status.AuditHeader) == "AUDIT" {
				marked.Add(1)
			}
			sound.ServeHTTP(w, r)
		})}.start(t)
		known := registered()
		known.AuditMark = mark
		net.audit(t, auditedURL, Options{Status: known, Secret: theSecret})
		if n, m := requests.Load(), marked.Load(); n < 15 || mark == "" && m != 0 || mark != "" && m != n {
			t.Errorf("%q: %d of %d requests have the mark", mark, m, n)
		}
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
