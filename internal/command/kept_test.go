package command

import (
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"github.com/caddy-telegram/telegramwebhook/internal/probe"
	"github.com/caddy-telegram/telegramwebhook/internal/status"
)

// kept is a webhook of which nobody has the secret.
func kept() *status.Webhook { return &status.Webhook{Secret: status.Secret{Source: "kept"}} }

// auditKnown audits a site of which the webhook's own Caddy says something. No
// secret is given.
func (n *network) auditKnown(t *testing.T, known *status.Webhook, args ...string) map[string]probe.Finding {
	t.Helper()
	t.Setenv(secretEnv, "")
	a := auditor{options: probe.Options{Lookup: n.resolve, Dial: n.dial}}
	a.inside = func(*cobra.Command, string) (insideView, error) { return insideView{webhook: known}, nil }
	got := execute(t, a.command(), append([]string{"audit", "--json", auditedURL}, args...), "")
	found := make(map[string]probe.Finding)
	for _, f := range findings(t, got) {
		found[f.Check] = f
	}
	n.check(t, got)
	return found
}

// Without the right secret the bot's answer is not known. What is said then can
// be done.
func TestAuditKept(t *testing.T) {
	for name, tc := range map[string]struct {
		https        http.Handler
		want, remedy string // of paths
	}{
		"sound": {sound, "pass 12 other spellings", ""},
		"the bot on every path": {elsewhere(with("Via", "1.1 Caddy", bot)), "warn perhaps the bot's answer, without the secret: any path (200)",
			"see that only the url leads to the bot, and answer other paths with 404; a site of its own is surest"},
		"nothing on other paths": {onePath, "warn an empty answer, as if it were delivered, without the secret: any path (200)",
			"answer 404 where there is nothing, in a Caddyfile with `respond 404` after the handle blocks"},
		"a page on other paths": {elsewhere(with("Content-Type", "text/html", answering(200, "A web page"))), "warn perhaps the bot's answer", "see that only"},
		"open with a slash":     {openAt("/telegram/"), "fail answered without the secret: /telegram/ (200)", "give the bot"},
	} {
		net := site{https: tc.https}.start(t)
		found := net.auditKnown(t, kept(), "--ca", net.ca)
		paths := found["paths"]
		if got := string(paths.Result) + " " + paths.Seen; !strings.HasPrefix(got, tc.want) || !strings.HasPrefix(paths.Remedy, tc.remedy) ||
			strings.Contains(paths.Remedy, "right secret") || tc.remedy == "" && paths.Remedy != "" {
			t.Errorf("%s: got %+v", name, paths)
		}
		if _, ok := found["right secret"]; ok {
			t.Errorf("%s: a secret is missed that nobody has", name)
		}
	}

	// One who has left the secret out can give it.
	net := site{https: elsewhere(with("Via", "1.1 Caddy", bot))}.start(t)
	if paths := net.auditKnown(t, nil, "--ca", net.ca)["paths"]; !strings.HasSuffix(paths.Remedy, "by its answer to the right secret") {
		t.Errorf("got %+v", paths)
	}
}

// With an uploaded certificate it is that one which counts.
func TestAuditUploaded(t *testing.T) {
	for name, s := range map[string]site{"self-signed": {selfSigned: true}, "internal": {}} {
		known := kept()
		known.Telegram = &status.Telegram{Certificate: true}
		net := s.start(t)
		if got := net.auditKnown(t, known)["certificate"]; got.Result != probe.Warn || !strings.Contains(got.Seen, "Telegram has an uploaded certificate") ||
			!strings.Contains(got.Remedy, "audit with --ca") {
			t.Errorf("%s: got %+v", name, got)
		}
		known.Telegram.Certificate = false
		if got := s.start(t).auditKnown(t, known)["certificate"]; got.Result != probe.Fail {
			t.Errorf("%s, nothing uploaded: got %+v", name, got)
		}
	}
	known := kept()
	known.Telegram = &status.Telegram{Certificate: true}
	net := site{notAfter: -day}.start(t)
	if got := net.auditKnown(t, known)["certificate"]; got.Result != probe.Fail {
		t.Errorf("expired: got %+v", got)
	}
}

// An audit is refused so often that its address may be barred, before it begins
// or while it goes on.
func TestAuditBarred(t *testing.T) {
	const wait = "wait until it is over, by default 10 minutes, or audit from elsewhere: "
	for name, tc := range map[string]struct {
		after       int // connections
		listener    *status.Listener
		check, seen string
		remedy      string
	}{
		"from the start":   {1, nil, "certificate", "no TLS: ", wait + "perhaps `penalty` or a firewall bars this address; if not, serve https"},
		"before TLS":       {0, nil, "address", publicIP + " does not answer on port 443: Connection reset by peer", wait + "perhaps `penalty` or a firewall bars this address; if not, start"},
		"known":            {1, &status.Listener{Penalized: 1}, "certificate", "no TLS: ", wait + "`penalty` bars addresses now (1), and perhaps this one; if not"},
		"none barred yet":  {1, &status.Listener{}, "certificate", "no TLS: ", wait + "perhaps `penalty`"},
		"before a forgery": {7, nil, "wrong secret", "not answered: ", wait + "perhaps `penalty`"},
		"half-way":         {12, nil, "paths", "9 of 13 other paths were not answered", wait + "perhaps `penalty`"},
	} {
		site := site{}.start(t)
		site.dropAfter(t, tc.after)
		known := kept()
		known.Listener = tc.listener
		got := site.auditKnown(t, known, "--ca", site.ca)[tc.check]
		if got.Result == probe.Pass || !strings.HasPrefix(got.Seen, tc.seen) || !strings.HasPrefix(got.Remedy, tc.remedy) {
			t.Errorf("%s: got %+v", name, got)
		}
	}
}

// dropAfter has the site's port drop connections after so many of them, as the
// listener wrapper does; after none, so early that nobody gets one. The one for
// the redirect goes elsewhere.
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
