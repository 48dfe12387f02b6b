package clientip

import (
	"net/http"
	"strings"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

// Of returns the client's address by Caddy's trusted-proxy rule. It may be empty.
func Of(r *http.Request) string {
	ip, _ := caddyhttp.GetVar(r.Context(), caddyhttp.ClientIPVarKey).(string)
	return ip
}

// TrustedProxy reports whether the request came through a proxy that the server trusts.
func TrustedProxy(r *http.Request) bool {
	trusted, _ := caddyhttp.GetVar(r.Context(), caddyhttp.TrustedProxyVarKey).(bool)
	return trusted
}

// Secure reports whether the client speaks TLS: to Caddy, or to a proxy that the server
// trusts, according to that proxy.
func Secure(r *http.Request) bool {
	if r.TLS != nil {
		return true
	}
	proto := r.Header["X-Forwarded-Proto"]
	if len(proto) == 0 || !TrustedProxy(r) {
		return false
	}
	// Each proxy on the way adds its value; the first value describes the client.
	first, _, _ := strings.Cut(proto[0], ",")
	return strings.EqualFold(strings.TrimSpace(first), "https")
}

// Early reports whether the request came before the TLS handshake was complete, as HTTP/3
// allows. The sender may then not be at the address that it claims.
func Early(r *http.Request) bool {
	return r.ProtoMajor == 3 && r.TLS != nil && !r.TLS.HandshakeComplete
}
