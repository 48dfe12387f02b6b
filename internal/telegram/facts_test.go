package telegram

import (
	"crypto/x509"
	"crypto/x509/pkix"
	"net/http"
	"net/netip"
	"strings"
	"testing"
)

func TestSecretHeader(t *testing.T) {
	if got := http.CanonicalHeaderKey(SecretHeader); got != SecretHeader {
		t.Errorf("net/http keeps it as %s", got)
	}
}

func TestIsReserved(t *testing.T) {
	for addr, want := range map[string]bool{
		"10.0.0.1": true, "127.0.0.1": true, "192.168.1.1": true, "203.0.113.9": true, "224.0.0.1": true,
		"8.8.8.8": false, "11.0.0.0": false, "192.169.0.1": false,
	} {
		if got := IsReserved(netip.MustParseAddr(addr)); got != want {
			t.Errorf("%s: got %v", addr, got)
		}
	}
}

func TestIsUpdateType(t *testing.T) {
	for name, want := range map[string]bool{
		"message": true, "some_new_type2": true, strings.Repeat("x", 64): true,
		"": false, "Message": false, "message,poll": false, "a b": false, strings.Repeat("x", 65): false,
	} {
		if got := IsUpdateType(name); got != want {
			t.Errorf("%q: got %v", name, got)
		}
	}
}

func TestMatchesHost(t *testing.T) {
	for _, test := range []struct {
		commonName string
		names      []string
		host       string
		want       bool
	}{
		{"bot.example.com", nil, "bot.example.com", true},
		{"*.example.com", nil, "Bot.example.com", true},
		{"203.0.113.7", nil, "203.0.113.7", true},
		{"bot.example.com", []string{"other.example.com"}, "bot.example.com", false},
		{"", []string{"other.example.com", "BOT.example.com"}, "bot.example.com", true},
		{"", []string{"203.0.113.7"}, "203.0.113.7", true},
		{"", []string{"*.example.com"}, "bot.example.com", true},
		{"", []string{"*.example.com"}, "example.com", false},
		{"", []string{"*.example.com"}, "a.bot.example.com", false},
		{"", []string{"b*.example.com"}, "bot.example.com", true},
		{"", []string{"a*.example.com"}, "bot.example.com", false},
		{"", nil, "bot.example.com", false},
	} {
		leaf := &x509.Certificate{Subject: pkix.Name{CommonName: test.commonName}, DNSNames: test.names}
		if got := MatchesHost(leaf, test.host); got != test.want {
			t.Errorf("%s, %v, for %s: got %v", test.commonName, test.names, test.host, got)
		}
	}
}
