package integration

import (
	"crypto/tls"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/smallstep/certificates/acme"

	"github.com/caddy-telegram/telegramwebhook/integration/caddytest"
)

// These tests see that what Caddy promises for every site holds for a site that
// has nothing but a gate.

// http01Port names the port on which Caddy's ACME server looks for a challenge, in
// place of port 80.
const http01Port = "TEST_HTTP01_PORT"

func init() {
	acme.InsecurePortHTTP01, _ = strconv.Atoi(os.Getenv(http01Port))
}

// TestACMEChallengeOverHTTPS gets a certificate from an ACME server, another Caddy,
// whose HTTP-01 request is redirected to the gate's site as many load balancers
// redirect it.
func TestACMEChallengeOverHTTPS(t *testing.T) {
	site := caddytest.FreePort(t)
	redirected := make(chan string, 10)
	balancer := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		select {
		case redirected <- r.URL.Path:
		default:
		}
		http.Redirect(w, r, fmt.Sprintf("https://localhost:%d%s", site, r.URL.Path), http.StatusMovedPermanently)
	}))
	t.Cleanup(balancer.Close)
	_, port, _ := strings.Cut(balancer.Listener.Addr().String(), ":")
	t.Setenv(http01Port, port)

	authority := caddytest.FreePort(t)
	ca := caddytest.Start(t, caddytest.Globals()+fmt.Sprintf("https://localhost:%d {\n\ttls internal\n\tacme_server\n}\n", authority))

	// Until the site has its own certificate it answers with another one, as it
	// does with an old one while that is renewed.
	dir := t.TempDir()
	cert, key := filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	private, old := newKey(t), certificateFor("old.localhost")
	writePEM(t, cert, "CERTIFICATE", create(t, old, old, private, private))
	writeKey(t, key, private)
	c := caddytest.Start(t, caddytest.Globals(fmt.Sprintf("http_port %d", caddytest.FreePort(t)), "fallback_sni old.localhost")+fmt.Sprintf(`https://localhost:%[1]d {
	tls {
		issuer acme {
			dir https://localhost:%[2]d/acme/local/directory
			trusted_roots %[3]s
			disable_tlsalpn_challenge
		}
	}
	telegram_webhook {env.TELEGRAM_SECRET}
}
https://old.localhost:%[1]d {
	tls %[4]s %[5]s
}
`, site, authority, ca.File("data/caddy/pki/authorities/local/root.crt"), cert, key))

	if path := caddytest.Within(t, "the ACME server asks for the challenge", redirected); !strings.HasPrefix(path, "/.well-known/acme-challenge/") {
		t.Errorf("it asked for %s", path)
	}
	caddytest.WaitUntil(t, "the site has a certificate of the ACME server", func() bool { return handshakes(site, &tls.Config{RootCAs: ca.Roots()}) })
	c.Out.Wait(t, "served key authentication")

	// Caddy answers pending challenges only. The gate refuses all else.
	r, err := http.NewRequest(http.MethodGet, fmt.Sprintf("https://localhost:%d/.well-known/acme-challenge/unknown", site), nil)
	if err != nil {
		t.Fatal(err)
	}
	if got := caddytest.Do(t, ca.Client(), r); got.Status != http.StatusForbidden {
		t.Errorf("an unknown challenge: got %d, want 403", got.Status)
	}
}

// handshakes reports whether a TLS handshake with that port of localhost succeeds.
func handshakes(port int, config *tls.Config) bool {
	conn, err := tls.Dial("tcp", fmt.Sprintf("localhost:%d", port), config)
	if err != nil {
		return false
	}
	_ = conn.Close()
	return true
}

// TestStrictSNIHost asks for the gate's site on a connection that was made for
// another site.
func TestStrictSNIHost(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct{ server, other string }{
		"strict_sni_host": {"servers {\n\t\tstrict_sni_host on\n\t}", "tls internal"},
		"client_auth":     {"", "tls internal {\n\t\tclient_auth {\n\t\t\tmode request\n\t\t}\n\t}"},
	} {
		t.Run(name, func(t *testing.T) {
			port := caddytest.FreePort(t)
			c := caddytest.Start(t, caddytest.Globals(tc.server)+fmt.Sprintf(`https://localhost:%[1]d {
	tls internal
	telegram_webhook {env.TELEGRAM_SECRET}
}
https://other.localhost:%[1]d {
	%[2]s
	respond hello
}
`, port, tc.other))
			config := &tls.Config{RootCAs: c.Roots(), ServerName: "other.localhost"}
			caddytest.WaitUntil(t, "the other site has its certificate", func() bool { return handshakes(port, config) })
			transport := &http.Transport{TLSClientConfig: config}
			t.Cleanup(transport.CloseIdleConnections)
			for _, secrets := range [][]string{nil, {"wrong"}, {caddytest.RightSecret}} {
				got := caddytest.Do(t, &http.Client{Transport: transport, Timeout: caddytest.Patience}, caddytest.Update(t, fmt.Sprintf("https://localhost:%d/", port), secrets...))
				if got.Status != http.StatusMisdirectedRequest {
					t.Errorf("with the secrets %q: got %d, want 421", secrets, got.Status)
				}
			}
		})
	}
}

// TestRefusalsInCaddysMetrics finds refusals among the requests that Caddy counts.
func TestRefusalsInCaddysMetrics(t *testing.T) {
	t.Parallel()
	admin, port := caddytest.FreePort(t), caddytest.FreePort(t)
	c := caddytest.Start(t, fmt.Sprintf(`{
	admin localhost:%d
	metrics
	skip_install_trust
	auto_https disable_redirects
}
https://localhost:%d {
	telegram_webhook {env.TELEGRAM_SECRET}
}
`, admin, port))
	for _, secrets := range [][]string{nil, {"wrong"}, {"wrong", "wrong"}} {
		if got := caddytest.Do(t, c.Client(), caddytest.Update(t, fmt.Sprintf("https://localhost:%d/", port), secrets...)); got.Status != http.StatusForbidden {
			t.Fatalf("with the secrets %q: got %d, want 403", secrets, got.Status)
		}
	}
	metrics := caddytest.Metrics(t, admin)
	// The trial of the address is counted too, with another status.
	for _, want := range []string{
		`caddy_http_requests_total{handler="subroute",server="srv0"} 4`,
		`caddy_http_request_duration_seconds_count{code="403",handler="subroute",method="POST",server="srv0"} 3`,
	} {
		if !strings.Contains(metrics, want+"\n") {
			t.Errorf("no %s in the metrics", want)
		}
	}
}

// TestRefusalIsTraced finds the span of a refused request, which the exporter
// writes to the standard output.
func TestRefusalIsTraced(t *testing.T) {
	t.Setenv("OTEL_TRACES_EXPORTER", "console")
	port := caddytest.FreePort(t)
	c := caddytest.Start(t, caddytest.Globals()+fmt.Sprintf("https://localhost:%d {\n\ttracing {\n\t\tspan webhook\n\t}\n\ttelegram_webhook {env.TELEGRAM_SECRET}\n}\n", port))
	if got := caddytest.Do(t, c.Client(), caddytest.Update(t, fmt.Sprintf("https://localhost:%d/", port), "wrong")); got.Status != http.StatusForbidden {
		t.Errorf("got %d, want 403", got.Status)
	}
	c.Stop()
	span := regexp.MustCompile(`(?m)^\{"Name":"webhook",.*\{"Key":"http.response.status_code","Value":\{"Type":"INT64","Value":403\}\}`)
	if !span.MatchString(c.Out.String()) {
		t.Errorf("no span of the refusal in the output:\n%s", c.Out)
	}
}
