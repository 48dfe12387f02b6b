package certificate

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2/modules/caddytls"
	"github.com/caddyserver/certmagic"
)

// TestChains has several certificates for a host, of which Caddy does not serve all.
func TestChains(t *testing.T) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	loaded := func(name string, life time.Duration) certmagic.Certificate {
		template := &x509.Certificate{DNSNames: []string{name}, NotBefore: time.Now().Add(-2 * time.Hour), NotAfter: time.Now().Add(life)}
		der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
		if err != nil {
			t.Fatal(err)
		}
		leaf, err := x509.ParseCertificate(der)
		if err != nil {
			t.Fatal(err)
		}
		return certmagic.Certificate{Certificate: tls.Certificate{Certificate: [][]byte{der}, Leaf: leaf}, Names: []string{name}}
	}
	const host = "bot.example.com"
	one, two, wildcard := loaded(host, time.Hour), loaded(host, time.Hour), loaded("*.example.com", time.Hour)
	expired := loaded(host, -time.Hour)
	for name, tc := range map[string]struct{ loaded, served []certmagic.Certificate }{
		"none":                  {nil, nil},
		"expired":               {[]certmagic.Certificate{expired}, []certmagic.Certificate{expired}},
		"two":                   {[]certmagic.Certificate{one, two}, []certmagic.Certificate{one, two}},
		"one has expired":       {[]certmagic.Certificate{expired, one}, []certmagic.Certificate{one}},
		"a wildcard":            {[]certmagic.Certificate{wildcard}, []certmagic.Certificate{wildcard}},
		"a wildcard and a name": {[]certmagic.Certificate{one, wildcard}, []certmagic.Certificate{one}},
	} {
		got := chains(tc.loaded, host)
		if len(got) != len(tc.served) {
			t.Errorf("%s: got %d", name, len(got))
			continue
		}
		for i, c := range tc.served {
			if !got[i][0].Equal(c.Leaf) {
				t.Errorf("%s: another one", name)
			}
		}
	}
}

// TestNeedsServerName tells for which sites Caddy may have no certificate in a handshake
// without a server name.
func TestNeedsServerName(t *testing.T) {
	const ip = "203.0.113.7"
	for name, tc := range map[string]struct {
		host     string
		policies caddytls.ConnectionPolicies
		warned   bool
	}{
		"a name":                    {"bot.example.com", caddytls.ConnectionPolicies{{}}, false},
		"an address":                {ip, caddytls.ConnectionPolicies{{}}, true},
		"an address of this host":   {"127.0.0.1", caddytls.ConnectionPolicies{{}}, false},
		"default_sni":               {ip, caddytls.ConnectionPolicies{{CertSelection: new(caddytls.CustomCertSelectionPolicy)}, {DefaultSNI: ip}}, false},
		"default_sni of a name":     {ip, caddytls.ConnectionPolicies{{DefaultSNI: "bot.example.com"}}, true},
		"fallback_sni":              {ip, caddytls.ConnectionPolicies{{FallbackSNI: ip}}, false},
		"loaded, for the address":   {ip, caddytls.ConnectionPolicies{{CertSelection: new(caddytls.CustomCertSelectionPolicy)}, {}}, true},
		"loaded, for any handshake": {ip, caddytls.ConnectionPolicies{{CertSelection: new(caddytls.CustomCertSelectionPolicy)}}, false},
	} {
		if got := needsServerName(tc.host, tc.policies); got != tc.warned {
			t.Errorf("%s: got %v", name, got)
		}
	}
}
