package certificate

import (
	"testing"

	"github.com/caddyserver/caddy/v2/modules/caddytls"
)

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
