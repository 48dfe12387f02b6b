package command

import (
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/spf13/cobra"

	"github.com/caddy-telegram/telegramwebhook/internal/probe"
)

const auditedURL = "https://bot.example.com/telegram"

// The secret goes where the certificate is good at that moment, not where it was
// good before.
func TestAuditCertificateChanges(t *testing.T) {
	net := site{}.start(t)
	bad, _ := site{selfSigned: true}.certificate(t)
	net.swap(func(handshakes int) *tls.Certificate {
		if handshakes == 1 {
			return nil // the one that the audit looks at
		}
		return &bad
	})
	lines := said(t, net.audit(t, "", "--json", auditedURL))
	if net.told.Load() || !slices.ContainsFunc(lines, func(l string) bool { return strings.HasPrefix(l, "pass certificate: ") }) ||
		!slices.ContainsFunc(lines, func(l string) bool { return strings.HasPrefix(l, "fail right secret: ") }) {
		t.Errorf("sent: %v, got %q", net.told.Load(), lines)
	}
}

// The same, as people see it.
func TestAuditTable(t *testing.T) {
	bad := site{
		notAfter: -10*day - time.Hour, least: tls.VersionTLS10, http: answering(200, "hello"), secret: "hunter2hunter2",
		https: with("Server", "nginx/1.18.0", checkedWhenPresent),
	}
	for name, tc := range map[string]struct {
		site   site
		secret string
		args   []string
	}{
		"sound": {},
		"bad":   {bad, bad.secret, []string{"--insecure"}},
	} {
		t.Run(name, func(t *testing.T) {
			net := tc.site.start(t)
			got := net.audit(t, tc.secret, append(tc.args, auditedURL)...)
			net.check(t, got)
			golden(t, "audit_"+name+".txt", got.out)
			if !strings.HasSuffix(got.out, fmt.Sprintf("; %d requests\n", len(net.dialed()))) {
				t.Errorf("%d connections were made", len(net.dialed()))
			}
		})
	}
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	want, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s: got\n%s\nwant\n%s", name, got, want)
	}
}

func orElse(s, other string) string {
	if s == "" {
		return other
	}
	return s
}

// What keeps the audit from going on is the last that it reports.
func TestAuditAddress(t *testing.T) {
	for _, tc := range []struct {
		name, url, address string // what bot.example.com leads to
		want               []string
	}{
		{"no A record", "https://nowhere.example.com/", "", []string{
			"pass url: https on port 443", "fail address: nowhere.example.com has no IPv4 address"}},
		{"IPv6 only", auditedURL, "2001:db8::1", []string{
			"pass url: https on port 443", "fail address: bot.example.com has no IPv4 address"}},
		{"an IPv6 address", "https://[2001:db8::1]/", "", []string{
			"fail url: 2001:db8::1 is not an IPv4 address, and Telegram uses no other", "fail address: 2001:db8::1 is not an IPv4 address"}},
		{"nobody listens", "http://bot.example.com/", publicIP, []string{
			"fail url: must begin with https://", "fail address: " + publicIP + " does not answer on port 80: Connection refused"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			net := site{noHTTP: true}.start(t)
			net.leadTo(tc.address)
			got := net.audit(t, "", "--json", tc.url)
			if lines := said(t, got); !slices.Equal(lines, tc.want) || got.failure != "exiting with status 3" {
				t.Errorf("got %q, %+v", lines, got)
			}
			net.check(t, got)
		})
	}
}

// Telegram may take any of several addresses.
func TestAuditAddresses(t *testing.T) {
	const other = "93.184.215.15"
	sound := site{}.start(t)
	bad, _ := site{selfSigned: true}.certificate(t)
	unsure := listen(t, sound.watch(bot), &tls.Config{Certificates: []tls.Certificate{bad}})
	for name, tc := range map[string]struct {
		at   string // the server at the other address
		want string
	}{
		"alike":         {sound.https, "pass address: 2 addresses answer on port 443, " + publicIP + " first"},
		"nobody":        {"", "fail address: " + publicIP + " answers, but " + other + " does not answer on port 443: Connection refused"},
		"untrustworthy": {unsure, "fail certificate: trusted at " + publicIP + ", but not at " + other + ": certificate signed by unknown authority"},
	} {
		sound.addrs = []netip.Addr{netip.MustParseAddr(publicIP), netip.MustParseAddr(publicIP), netip.MustParseAddr(other)}
		sound.at = map[string]string{other: tc.at}
		got := sound.audit(t, "", "--json", auditedURL)
		if lines := said(t, got); !slices.Contains(lines, tc.want) || !slices.Contains(lines, "pass right secret: passes (200)") {
			t.Errorf("%s: got %q", name, lines)
		}
		if failed := strings.HasPrefix(tc.want, "fail"); failed != (got.failure == "exiting with status 3") {
			t.Errorf("%s: %s", name, got.failure)
		}
	}

	// Of many not all are looked at, and the first one that answers will do.
	sound.addrs, sound.at = nil, map[string]string{"93.184.215.1": ""}
	for i := range 20 {
		sound.addrs = append(sound.addrs, netip.AddrFrom4([4]byte{93, 184, 215, byte(i + 1)}))
	}
	before := len(sound.dialed())
	lines := said(t, sound.audit(t, "", "--json", auditedURL))
	if n := len(sound.dialed()) - before; n > probe.MaxRequests || lines[1] != "fail address: 93.184.215.2 answers, but 93.184.215.1 does not answer on port 443: Connection refused" ||
		!slices.Contains(lines, "pass paths: 12 other spellings do not lead to the bot") {
		t.Errorf("%d requests, got %q", n, lines)
	}
}

func TestAuditReservedAddress(t *testing.T) {
	net := site{}.start(t)
	net.leadTo("10.0.0.7")
	got := net.audit(t, "", "--json", auditedURL)
	if lines := said(t, got); lines[1] != "warn address: 10.0.0.7 answers, but it is not a public address" || got.failure != "exiting with status 2" {
		t.Errorf("got %q", lines)
	}
}

// Over plain http the secret goes to a machine of one's own only.
func TestAuditPlainHTTP(t *testing.T) {
	for address, want := range map[string]string{
		publicIP:    "warn right secret: not tried: the secret is not sent in clear over the internet",
		"127.0.0.1": "pass right secret: passes (200)",
	} {
		net := site{http: sound}.start(t)
		net.leadTo(address)
		got := net.audit(t, "", "--json", "http://bot.example.com/telegram")
		if lines := said(t, got); lines[0] != "fail url: must begin with https://" || !slices.Contains(lines, want) {
			t.Errorf("%s: got %q", address, lines)
		}
		if net.overheard.Load() != (address == "127.0.0.1") {
			t.Errorf("%s: the secret was sent: %v", address, net.overheard.Load())
		}
	}
}

// The checks from inside are listed behind the others. Without them, that is said.
func TestAuditInside(t *testing.T) {
	site := site{}.start(t)
	a := auditor{options: probe.Options{Lookup: site.resolve, Dial: site.dial}}
	a.inside = func(_ *cobra.Command, url string) (insideView, error) {
		found := probe.Finding{Check: "registration", Result: probe.Fail, Seen: "none, asked for " + url, Remedy: "register"}
		return insideView{url: auditedURL, findings: []probe.Finding{found}, requests: 5, webhook: kept()}, nil
	}
	for args, want := range map[string]string{auditedURL: auditedURL, "": ""} {
		site.mu.Lock()
		site.calls = nil
		site.mu.Unlock()
		got := execute(t, a.command(), append([]string{"audit", "--ca", site.ca}, strings.Fields(args)...), "")
		if !strings.Contains(got.out, "\nfail  registration  none, asked for "+want+" -> register\n\n1 fail, ") || got.failure != "exiting with status 3" ||
			!strings.HasSuffix(got.out, fmt.Sprintf(" pass; %d requests\n", len(site.dialed())+5)) {
			t.Errorf("%q: got %+v", args, got)
		}
		if strings.Contains(got.out, "right secret") {
			t.Errorf("%q: a secret is missed that nobody has:\n%s", args, got.out)
		}
	}

	a.inside = func(*cobra.Command, string) (insideView, error) { return insideView{}, errors.New("nobody there") }
	got := execute(t, a.command(), []string{"audit", "--ca", site.ca, auditedURL}, "")
	if got.err != "No view from inside: nobody there\n" || !strings.Contains(got.out, "warn  right secret") || got.failure != "exiting with status 2" {
		t.Errorf("got %+v", got)
	}
	if got := execute(t, a.command(), []string{"audit"}, ""); got.failure != "nobody there" || got.out != "" {
		t.Errorf("without a url: got %+v", got)
	}

	// A webhook without a url is looked at from inside only.
	a.inside = func(*cobra.Command, string) (insideView, error) {
		return insideView{findings: []probe.Finding{{Check: "registration", Result: probe.Fail, Seen: "failing"}}, requests: 1}, nil
	}
	if got := execute(t, a.command(), []string{"audit"}, ""); got.out != "fail  registration  failing\n\n1 fail; 1 request\n" {
		t.Errorf("got %+v", got)
	}
}

// The documentation shows what is printed of a webhook whose Caddy can be asked,
// and has a public certificate.
func TestAuditDocumented(t *testing.T) {
	site := site{}.start(t)
	admin := startAdmin(t, http.StatusOK, webhooks(t, "123456789"))
	a := auditor{options: probe.Options{Lookup: site.resolve, Dial: site.dial}, inside: insider{now}.look}
	got := execute(t, a.command(), []string{"audit", "--ca", site.ca, "--address", admin.address}, "")
	if got.err != "" || got.failure != "" {
		t.Errorf("got %+v", got)
	}
	printed := strings.Replace(got.out, "trusted by the file of --ca", "trusted", 1)
	documented(t, "README.md", "audit", printed)
	documented(t, "docs/command.md", "audit", printed)
	site.check(t, got)
}

func TestAuditUsage(t *testing.T) {
	for _, tc := range []struct {
		args []string
		want string
	}{
		{[]string{auditedURL, rightSecret}, "give one url at most"},
		{[]string{"ftp://a"}, "the url is not one such as"},
		{[]string{""}, "the url is not one such as"},
		{[]string{auditedURL, "--ca", "/does/not/exist"}, "--ca: no such file or directory"},
		{[]string{auditedURL, "--secret-file", rightSecret}, "--secret-file: no such file or directory"},
	} {
		if got := command(t, "", append([]string{"audit"}, tc.args...)...); !strings.HasPrefix(got.failure, tc.want) || got.out != "" || strings.Contains(got.err, rightSecret) {
			t.Errorf("%q: got %+v", tc.args, got)
		}
	}
}

// said is what an audit says in JSON, without the remedies.
func said(t *testing.T, got result) (lines []string) {
	t.Helper()
	for _, f := range findings(t, got) {
		lines = append(lines, fmt.Sprintf("%s %s: %s", f.Result, f.Check, f.Seen))
	}
	return lines
}

func findings(t *testing.T, got result) (all []probe.Finding) {
	t.Helper()
	if err := json.Unmarshal([]byte(got.out), &all); err != nil {
		t.Fatalf("%v\n%+v", err, got)
	}
	return all
}
