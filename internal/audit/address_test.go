package audit

import (
	"crypto/tls"
	"net/netip"
	"strings"
	"testing"

	"github.com/caddy-telegram/telegramwebhook/internal/status"
)

// TestAddress audits hosts whose first address is no good.
func TestAddress(t *testing.T) {
	for name, tc := range map[string]struct {
		url, address, want string
	}{
		"no A record":    {"https://nowhere.example.com/", publicIP, "fail no IPv4 address: lookup nowhere.example.com: no such host"},
		"DNS away":       {"https://away.example.com/", publicIP, "fail not checked, since DNS cannot be asked: lookup away.example.com: i/o timeout"},
		"IPv6 address":   {"https://[2001:db8::1]/", publicIP, "fail no IPv4 address: "},
		"another port":   {"https://bot.example.com:4443/", publicIP, "warn port 4443 answers, but Telegram does not send to it"},
		"nobody listens": {"http://bot.example.com/", publicIP, "fail " + publicIP + " does not answer on port 80: dial tcp4: connection refused"},
		"reserved":       {auditedURL, "10.0.0.7", "warn 10.0.0.7 answers, but it is not a public address"},
		"mapped":         {auditedURL, "::ffff:" + publicIP, "pass " + publicIP + " answers on port 443"},
	} {
		t.Run(name, func(t *testing.T) {
			net := site{noHTTP: true}.start(t)
			net.addrs = []netip.Addr{netip.MustParseAddr(tc.address)}
			found := net.audit(t, tc.url, Options{})
			want(t, found["address"], tc.want)
			if strings.HasPrefix(name, "DNS") == strings.Contains(found["address"].Remedy, "A record") && strings.Contains(found["address"].Seen, "lookup") {
				t.Errorf("the remedy is %q", found["address"].Remedy)
			}
			if failed := found["address"].Result == Fail; failed != (len(found) == 1) {
				t.Errorf("what follows is left out: %v", found)
			}
		})
	}
}

// TestMoved compares the host's addresses in DNS with those that Telegram uses.
func TestMoved(t *testing.T) {
	const old, dead = "93.184.215.9", "93.184.215.10"
	for name, tc := range map[string]struct {
		fixed, used string
		records     []string
		want        string
	}{
		"the same":             {"", publicIP, []string{publicIP}, "pass " + publicIP + " answers on port 443"},
		"one of several":       {"", publicIP, []string{"93.184.215.15", publicIP}, "pass 93.184.215.15 answers on port 443, and 1 more"},
		"mapped":               {"", publicIP, []string{"::ffff:" + publicIP}, "pass"},
		"not known":            {"", "<unknown>", []string{publicIP}, "pass"},
		"moved":                {"", old, []string{publicIP}, "warn Telegram still sends to the old address " + old + "; DNS has " + publicIP},
		"fixed":                {publicIP, publicIP, []string{publicIP}, "pass " + publicIP + " answers on port 443"},
		"fixed, of several":    {publicIP, publicIP, []string{"93.184.215.15", publicIP}, "pass " + publicIP + " answers on port 443"},
		"fixed and moved":      {old, old, []string{publicIP}, "warn ip_address " + old + " is not in DNS, which has " + publicIP},
		"fixed and dead":       {dead, dead, []string{publicIP}, "fail " + dead + " does not answer on port 443: dial tcp4: connection refused; ip_address " + dead + " is not in DNS"},
		"fixed and not in DNS": {publicIP, publicIP, nil, "warn ip_address " + publicIP + " is not in DNS, which has no address"},
	} {
		t.Run(name, func(t *testing.T) {
			net := site{}.start(t)
			net.addrs, net.at = nil, map[string]string{dead: ""}
			for _, record := range tc.records {
				net.addrs = append(net.addrs, netip.MustParseAddr(record))
			}
			known := registered()
			known.IPAddress, known.Telegram.IPAddress = tc.fixed, tc.used
			want(t, net.audit(t, auditedURL, Options{Status: known})["address"], tc.want)

			// Another webhook of the bot is at another address.
			known.IPAddress, known.Telegram.URL, known.Telegram.IPAddress = "", "https://other.example.com/", old
			if f := net.audit(t, auditedURL, Options{Status: known})["address"]; tc.records != nil && f.Result != Pass {
				t.Errorf("got %+v", f)
			}
		})
	}
}

// TestAddresses audits a host with several addresses.
func TestAddresses(t *testing.T) {
	const other = "93.184.215.15"
	net := site{}.start(t)
	bad, _ := site{selfSigned: true}.certificate(t)
	untrusted := listen(t, net.watch(bot), &tls.Config{Certificates: []tls.Certificate{bad}})
	plain := listen(t, net.watch(bot), nil)
	for name, tc := range map[string]struct {
		at          string // the server at the other address
		check, want string
	}{
		"the same":  {net.https, "address", "pass " + publicIP + " answers on port 443, and 1 more"},
		"nobody":    {"", "address", "fail " + publicIP + " answers, but " + other + " does not answer on port 443: dial tcp4: connection refused"},
		"untrusted": {untrusted, "certificate", "fail at " + other + ": x509: certificate signed by unknown authority"},
		"no TLS":    {plain, "certificate", "fail no TLS at " + other + ": "},
	} {
		t.Run(name, func(t *testing.T) {
			net.addrs = []netip.Addr{netip.MustParseAddr(publicIP), netip.MustParseAddr(other)}
			net.at = map[string]string{other: tc.at}
			found := net.audit(t, auditedURL, Options{Secret: theSecret})
			want(t, found[tc.check], tc.want)
			want(t, found["no secret"], "pass refused with 403")
		})
	}

	net.addrs, net.at = nil, nil
	for i := range 20 {
		net.addrs = append(net.addrs, netip.AddrFrom4([4]byte{93, 184, 215, byte(i + 1)}))
	}
	want(t, net.audit(t, auditedURL, Options{})["address"], "pass 93.184.215.1 answers on port 443, and 5 more")
}

// TestPlainHTTP audits an http:// url: the secret goes to a private address only.
func TestPlainHTTP(t *testing.T) {
	for address, sent := range map[string]bool{publicIP: false, "127.0.0.1": true} {
		net := site{http: sound}.start(t)
		net.addrs = []netip.Addr{netip.MustParseAddr(address)}
		found := net.audit(t, "http://bot.example.com/telegram", Options{Secret: theSecret})
		want(t, found["certificate"], "warn none: the url begins with http://")
		want(t, found["right secret"], map[bool]string{true: "pass passes (200)", false: "warn not sent in clear over the internet"}[sent])
		if net.sentInClear.Load() != sent {
			t.Errorf("%s: sent: %v", address, !sent)
		}
	}
}

// TestLocalAPI audits a webhook of a local Bot API server, which sends to http, and to any port
// and address.
func TestLocalAPI(t *testing.T) {
	for local, expected := range map[bool]map[string]string{
		true:  {"address": "pass 127.0.0.1 answers on port 8080", "certificate": "pass none, and none is needed"},
		false: {"address": "warn 127.0.0.1 answers, but it is not a public address", "certificate": "warn none"},
	} {
		net := site{}.start(t)
		net.https, net.addrs = listen(t, sound, nil), []netip.Addr{netip.MustParseAddr("127.0.0.1")}
		found := net.audit(t, "http://bot.example.com:8080/telegram", Options{Status: &status.Webhook{State: "registered", LocalAPI: local}})
		for check, finding := range expected {
			want(t, found[check], finding)
		}
	}
}
