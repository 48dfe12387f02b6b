package listener

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

const name = "telegram_webhook"

// checkOrder checks the position of the wrapper among the wrappers of its server, which
// run in the order of the configuration. Caddy has set TLSConnPolicies by now if the
// server uses TLS, and runs TLS first if no wrapper is named tls.
func checkOrder(server *caddyhttp.Server) error {
	var names []string
	for _, raw := range server.ListenerWrappersRaw {
		var w struct {
			Name string `json:"wrapper"`
		}
		if err := json.Unmarshal(raw, &w); err != nil {
			return fmt.Errorf("listener_wrappers: %w", err)
		}
		names = append(names, w.Name)
	}
	after := names[slices.Index(names, name)+1:]
	tls := len(server.TLSConnPolicies) > 0
	switch {
	case slices.Contains(after, name):
		return errors.New("is among the listener_wrappers twice")
	case slices.Contains(after, "proxy_protocol"):
		return errors.New("must come after proxy_protocol, or it would judge the proxy instead of the client; the order of listener_wrappers is: proxy_protocol, telegram_webhook, tls")
	case tls && !slices.Contains(after, "tls"):
		return errors.New("must be followed by tls, or it would drop connections only after their TLS handshake; the order of listener_wrappers is: telegram_webhook, tls")
	}
	return nil
}

// servesHTTP3 reports whether the server also serves HTTP/3. Caddy has filled in the protocols by now.
func servesHTTP3(server *caddyhttp.Server) bool {
	for i := range server.Listen {
		protocols := server.Protocols
		if server.ListenProtocols != nil && server.ListenProtocols[i] != nil {
			protocols = server.ListenProtocols[i]
		}
		if slices.Contains(protocols, "h3") {
			return len(server.TLSConnPolicies) > 0
		}
	}
	return false
}
