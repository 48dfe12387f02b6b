package integration

import (
	"crypto/tls"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2"

	"github.com/caddy-telegram/telegramwebhook/integration/caddytest"
)

// TestRemoteAdmin operates a webhook from afar: Caddy's own rules for remote
// administration say who may do what.
func TestRemoteAdmin(t *testing.T) {
	t.Parallel()
	bot := caddytest.StartBot(t, func(http.ResponseWriter, *http.Request) {})
	admin, remote, port := caddytest.FreePort(t), caddytest.FreePort(t), caddytest.FreePort(t)
	c := caddytest.Start(t, caddytest.Globals(fmt.Sprintf("admin localhost:%d", admin))+fmt.Sprintf(`
https://localhost:%d {
	telegram_webhook {env.TELEGRAM_SECRET} {
		name bot
	}
	reverse_proxy %s
}
`, port, bot))

	operator, reader, other := remoteUser(c, "operator"), remoteUser(c, "reader"), remoteUser(c, "other")
	config, err := json.Marshal(caddy.AdminConfig{
		Listen:   fmt.Sprintf("localhost:%d", admin),
		Identity: &caddy.IdentityConfig{Identifiers: []string{"localhost"}, IssuersRaw: []json.RawMessage{[]byte(`{"module":"internal"}`)}},
		Remote: &caddy.RemoteAdmin{Listen: fmt.Sprintf("localhost:%d", remote), AccessControl: []*caddy.AdminAccess{
			{PublicKeys: []string{publicKey(operator)}, Permissions: []caddy.AdminPermissions{{Paths: []string{"/telegram_webhook/"}}}},
			{PublicKeys: []string{publicKey(reader)}, Permissions: []caddy.AdminPermissions{{Paths: []string{"/telegram_webhook/bot"}, Methods: []string{http.MethodGet}}}},
			{PublicKeys: []string{publicKey(other)}, Permissions: []caddy.AdminPermissions{{Paths: []string{"/config/"}}}},
		}},
	})
	if err != nil {
		t.Fatal(err)
	}
	configure(t, http.MethodPost, admin, "/config/admin", string(config))
	caddytest.WaitUntil(t, "Caddy has its own certificate", func() bool { return c.Serves(fmt.Sprintf("localhost:%d", remote)) })

	for _, tc := range []struct {
		who    string
		cert   *tls.Certificate
		method string
		path   string
		code   int // 0: no connection
		want   string
	}{
		{"operator", &operator, http.MethodGet, "/telegram_webhook/", http.StatusOK, `"name":"bot"`},
		{"operator", &operator, http.MethodPost, "/telegram_webhook/bot/rotate", http.StatusConflict, "the secret is in the configuration"},
		{"operator", &operator, http.MethodGet, "/config/", http.StatusForbidden, "not authorized"},
		{"reader", &reader, http.MethodGet, "/telegram_webhook/bot", http.StatusOK, `"state":"unmanaged"`},
		{"reader", &reader, http.MethodGet, "/telegram_webhook/", http.StatusForbidden, "not authorized"},
		{"reader", &reader, http.MethodPost, "/telegram_webhook/bot/rotate", http.StatusForbidden, "not authorized"},
		{"reader", &reader, http.MethodDelete, "/telegram_webhook/bot", http.StatusForbidden, "not authorized"},
		{"somebody for other endpoints", &other, http.MethodGet, "/telegram_webhook/bot", http.StatusForbidden, "not authorized"},
		{"a stranger", nil, http.MethodGet, "/telegram_webhook/", 0, ""},
	} {
		client := c.Client()
		if tc.cert != nil {
			client.Transport.(*http.Transport).TLSClientConfig.Certificates = []tls.Certificate{*tc.cert}
		}
		r, err := http.NewRequest(tc.method, fmt.Sprintf("https://localhost:%d%s", remote, tc.path), nil)
		if err != nil {
			t.Fatal(err)
		}
		if tc.code == 0 {
			if resp, err := client.Do(r); err == nil {
				resp.Body.Close()
				t.Errorf("%s: %s %s is answered with %d", tc.who, tc.method, tc.path, resp.StatusCode)
			}
			continue
		}
		if got := caddytest.Do(t, client, r); got.Status != tc.code || !strings.Contains(got.Body, tc.want) {
			t.Errorf("%s: %s %s: got %d %s, want %d with %q", tc.who, tc.method, tc.path, got.Status, got.Body, tc.code, tc.want)
		}
	}
}

// remoteUser makes the key and certificate of one who administers from afar.
func remoteUser(c *caddytest.Process, name string) tls.Certificate {
	c.T.Helper()
	cert, key := c.File(name+".crt"), c.File(name+".key")
	selfSigned(c.T, cert, key)
	pair, err := tls.LoadX509KeyPair(cert, key)
	if err != nil {
		c.T.Fatal(err)
	}
	return pair
}

// publicKey is a certificate as Caddy's access control takes it.
func publicKey(pair tls.Certificate) string {
	return base64.StdEncoding.EncodeToString(pair.Certificate[0])
}
