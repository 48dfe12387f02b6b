package telegram

import (
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
