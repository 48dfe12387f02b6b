package integration

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	cryptorand "crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/caddy-telegram/telegramwebhook/integration/caddytest"
	"github.com/caddy-telegram/telegramwebhook/internal/telegramtest"
)

// TestRenewedRoot gives Caddy's own CA a new root: it is uploaded again.
func TestRenewedRoot(t *testing.T) {
	t.Parallel()
	api, address := caddytest.StartTelegram(t)
	c := caddytest.Start(t, registeringSite(caddytest.FreePort(t), address, "127.0.0.1:9", "admin off"))
	c.Out.Wait(t, "webhook registered")
	c.Stop()
	for _, folder := range []string{"pki", "certificates"} {
		if err := os.RemoveAll(c.File("data/caddy/" + folder)); err != nil {
			t.Fatal(err)
		}
	}
	c.Start()
	c.Out.Wait(t, "webhook registered")
	calls := slices.DeleteFunc(api.Calls("setWebhook"), func(c telegramtest.Call) bool { return c.Status != http.StatusOK })
	if len(calls) != 2 || bytes.Equal(calls[0].Files["certificate"], calls[1].Files["certificate"]) {
		t.Errorf("%d calls of setWebhook, want 2 with different certificates", len(calls))
	}
}

// TestCertificateWarning has a site whose certificate nobody trusts.
func TestCertificateWarning(t *testing.T) {
	t.Parallel()
	_, address := caddytest.StartTelegram(t)
	port := caddytest.FreePort(t)
	config := registeringSite(port, address, "127.0.0.1:9", "admin off", "check 10s")
	c := caddytest.Start(t, strings.Replace(config, "certificate internal", "", 1))
	c.Out.Wait(t, "this site's certificate is not publicly trusted")
}

// TestNeedlessUpload has a site whose certificate everybody trusts, as far as this
// system knows: a test's own CA is all that it trusts.
func TestNeedlessUpload(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	cert, key, root := filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem"), filepath.Join(dir, "root.pem")
	signed(t, cert, key, root)
	const needless, missing = "this site's certificate is publicly trusted", "this site's certificate is not publicly trusted"
	for name, tc := range map[string]struct {
		upload, result string
		told           bool
	}{
		"the root":        {"certificate " + root, "webhook registered", true},
		"the certificate": {"certificate " + cert, "webhook not registered", true},
		"none":            {"", "webhook registered", false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, address := caddytest.StartTelegram(t)
			config := registeringSite(caddytest.FreePort(t), address, "127.0.0.1:9", "admin off")
			config = strings.Replace(config, "certificate internal", tc.upload, 1)
			config = strings.Replace(config, "\treverse_proxy", "\ttls "+cert+" "+key+"\n\treverse_proxy", 1)
			c := caddytest.Start(t, config, "SSL_CERT_FILE="+root, "SSL_CERT_DIR="+dir+"/none")
			c.Out.Wait(t, tc.result)
			c.Stop()
			if told := strings.Contains(c.Out.String(), needless); told != tc.told {
				t.Errorf("told of a needless upload: %v, want %v", told, tc.told)
			}
			if strings.Contains(c.Out.String(), missing) {
				t.Error("a trusted certificate is taken for one that nobody trusts")
			}
		})
	}
}

// TestCertificateFile uploads a self-signed certificate that the site serves. The
// stand-in trusts that one alone.
func TestCertificateFile(t *testing.T) {
	t.Parallel()
	api, address := caddytest.StartTelegram(t)
	bot := caddytest.StartBot(t, func(http.ResponseWriter, *http.Request) {})
	dir, port := t.TempDir(), caddytest.FreePort(t)
	cert, key := filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	selfSigned(t, cert, key)
	config := registeringSite(port, address, bot, "admin off", "url /hook")
	config = strings.Replace(config, "certificate internal", "certificate "+cert, 1)
	config = strings.Replace(config, "\treverse_proxy", "\ttls "+cert+" "+key+"\n\treverse_proxy", 1)
	c := caddytest.Start(t, config)
	c.Out.Wait(t, "webhook registered")
	if w := api.Webhook(caddytest.BotToken); w.URL != fmt.Sprintf("https://localhost:%d/hook", port) || w.RootCAs == nil {
		t.Fatalf("registered %q, with certificate: %v", w.URL, w.RootCAs != nil)
	}
	deliver(t, api)
}

// TestUnfit has certificates with which Telegram would not connect: none is uploaded, and
// the webhook that is there stays.
func TestUnfit(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		host   string
		served func(*x509.Certificate)
		upload func(*x509.Certificate) // nil for what is served
		want   string
	}{
		"expired":                              {"localhost", func(c *x509.Certificate) { c.NotAfter = time.Now().Add(-time.Minute) }, nil, "certificate has expired"},
		"of another host":                      {"localhost", func(c *x509.Certificate) { c.DNSNames = []string{"other.localhost"} }, nil, "does not fit: "},
		"not what is served":                   {"localhost", func(*x509.Certificate) {}, func(*x509.Certificate) {}, "certificate signed by unknown authority"},
		"for clients":                          {"localhost", func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth} }, nil, "incompatible key usage"},
		"not valid yet":                        {"localhost", func(c *x509.Certificate) { c.NotBefore = time.Now().Add(time.Minute) }, nil, "not yet valid"},
		"a wildcard too high":                  {"a.b.test.localhost", func(c *x509.Certificate) { c.DNSNames = []string{"*.test.localhost"} }, nil, "has to be one of its DNS names"},
		"a wildcard too deep":                  {"test.localhost", func(c *x509.Certificate) { c.DNSNames = []string{"*.test.localhost"} }, nil, "has to be one of its DNS names"},
		"the common name, and other DNS names": {"localhost", func(c *x509.Certificate) { c.DNSNames = []string{"other.example.com"} }, nil, "has to be one of its DNS names"},
		"of an IP address": {"203.0.113.7", func(c *x509.Certificate) {
			c.DNSNames, c.Subject, c.IPAddresses = nil, pkix.Name{}, []net.IP{net.ParseIP("203.0.113.7")}
		}, nil, "-subj /CN=203.0.113.7"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			api, address := caddytest.StartTelegram(t)
			const before = "https://localhost/before"
			api.TakeOver(caddytest.BotToken, map[string]string{"url": before}, nil)
			s := newCertificateSite(t, tc.host, address)
			s.write(s.served, tc.served)
			if tc.upload != nil {
				s.uploaded = filepath.Join(t.TempDir(), "other.pem")
				s.write(s.uploaded, tc.upload)
			}
			c := caddytest.Start(t, s.caddyfile())
			c.Out.Wait(t, "webhook not registered")
			c.Out.Wait(t, tc.want)
			c.Out.Wait(t, "both in one file while the old and the new one differ")
			if got := state(t, s.admin, "bot").State; got != "failing" {
				t.Errorf("state %s", got)
			}
			wantSetWebhook(t, api, 0, "with a certificate that does not fit")
			if got := api.Webhook(caddytest.BotToken).URL; got != before {
				t.Errorf("the webhook is now %q", got)
			}
		})
	}
}

// TestRenewedFile renews a self-signed certificate, with a new key: while the file to upload
// has both, it does not matter which one is served.
func TestRenewedFile(t *testing.T) {
	t.Parallel()
	api, address := caddytest.StartTelegram(t)
	s := newCertificateSite(t, "localhost", address)
	next := filepath.Join(t.TempDir(), "next.pem")
	identified := func(id byte) func(*x509.Certificate) {
		return func(c *x509.Certificate) { c.SubjectKeyId, c.AuthorityKeyId = []byte{id}, []byte{id} }
	}
	s.write(s.served, identified(1))
	key := s.key
	s.key, s.private = filepath.Join(t.TempDir(), "key.pem"), newKey(t)
	writeKey(t, s.key, s.private)
	s.write(next, identified(2))
	s.key, key = key, s.key
	s.uploaded = filepath.Join(t.TempDir(), "both.pem")
	var both []byte
	for _, name := range []string{s.served, next} {
		content, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		both = append(both, content...)
	}
	if err := caddytest.WriteFile(s.uploaded, string(both)); err != nil {
		t.Fatal(err)
	}
	c := caddytest.Start(t, s.caddyfile())
	c.Out.Wait(t, "webhook registered")
	deliver(t, api)

	s.served, s.key = next, key
	caddytest.Load(t, s.admin, s.caddyfile())
	c.Out.Wait(t, "webhook already registered")
	deliver(t, api)
	wantSetWebhook(t, api, 1, "with both in the file")
}

// TestReplacedFile replaces the one file that the site serves and uploads. For a moment Caddy
// has both certificates, of which the old one is not uploaded.
func TestReplacedFile(t *testing.T) {
	t.Parallel()
	api, address := caddytest.StartTelegram(t)
	s := newCertificateSite(t, "localhost", address)
	s.write(s.served, nil)
	c := caddytest.Start(t, s.caddyfile())
	c.Out.Wait(t, "webhook registered")
	untilTaken(t, api)

	s.write(s.served, nil)
	caddytest.Load(t, s.admin, strings.Replace(s.caddyfile(), "name bot", "name bot\n\t\tmax_connections 7", 1))
	caddytest.WaitUntil(t, "the new one is registered", func() bool { return api.Webhook(caddytest.BotToken).MaxConnections == 7 })
	deliver(t, api)
	if strings.Contains(c.Out.String(), "does not fit") {
		t.Errorf("refused: %s", c.Out.String())
	}
}

// TestTwoLoaded has a site for which two certificates are loaded, and uploads one of them.
func TestTwoLoaded(t *testing.T) {
	t.Parallel()
	api, address := caddytest.StartTelegram(t)
	s := newCertificateSite(t, "localhost", address)
	s.uploaded = filepath.Join(t.TempDir(), "other.pem")
	s.write(s.served, nil)
	s.write(s.uploaded, nil)
	c := caddytest.Start(t, strings.Replace(s.caddyfile(), "\ttls ", "\ttls "+s.uploaded+" "+s.key+"\n\ttls ", 1))
	c.Out.Wait(t, "webhook not registered")
	wantSetWebhook(t, api, 0, "with one of two")
}

// TestInternalForAddress has a site that is an IP address, for which Caddy's own CA makes
// no certificate that Telegram takes.
func TestInternalForAddress(t *testing.T) {
	t.Parallel()
	api, address := caddytest.StartTelegram(t)
	config := registeringSite(caddytest.FreePort(t), address, "127.0.0.1:9", "admin off")
	c := caddytest.Start(t, strings.Replace(config, "https://localhost:", "https://127.0.0.1:", 1))
	c.Out.Wait(t, "webhook not registered")
	c.Out.Wait(t, "Telegram does not connect to an IP address with a certificate of Caddy's own CA")
	c.Out.Wait(t, "-subj /CN=127.0.0.1")
	wantSetWebhook(t, api, 0, "for an address")
}

// TestNoServerName has a site that is an IP address which this machine does not have, as
// behind NAT: Telegram sends no server name.
func TestNoServerName(t *testing.T) {
	t.Parallel()
	for option, advice := range map[string]string{"default_sni 203.0.113.7": "", "": "set default_sni 203.0.113.7 in the global options"} {
		t.Run("with "+option, func(t *testing.T) {
			t.Parallel()
			api, address := caddytest.StartTelegram(t)
			s := newCertificateSite(t, "203.0.113.7", address, option)
			s.write(s.served, nil)
			c := caddytest.Start(t, s.caddyfile())
			c.Out.Wait(t, "webhook registered")
			if got := state(t, s.admin, "bot").Advice; !strings.Contains(got, advice) || (got == "") != (advice == "") {
				t.Errorf("advice %q", got)
			}
			untilTaken(t, api)
			if code, body := operate(t, s.admin, http.MethodPost, "bot/register"); code != http.StatusOK {
				t.Errorf("register: %d: %s", code, body)
			}
			if n := strings.Count(c.Out.String(), "handshakes without one may fail here"); n != min(1, len(advice)) {
				t.Errorf("warned %d times in two attempts", n)
			}
			if advice == "" {
				deliver(t, api)
				return
			}
			api.Send(caddytest.BotToken, telegramtest.Message(1, 1, "hello"))
			caddytest.WaitUntil(t, "the handshake fails", func() bool {
				return strings.Contains(api.Sender(caddytest.BotToken).Stats().LastError, "alert internal error")
			})
		})
	}
}

// certificateSite is a site that serves one certificate and uploads another, or the same.
type certificateSite struct {
	t                     testing.TB
	host, api, options    string
	port, admin           int
	served, uploaded, key string
	private               *ecdsa.PrivateKey
}

func newCertificateSite(t testing.TB, host, api string, options ...string) *certificateSite {
	t.Helper()
	dir := t.TempDir()
	s := &certificateSite{
		t: t, host: host, api: api, port: caddytest.FreePort(t), admin: caddytest.FreePort(t), private: newKey(t),
		served: filepath.Join(dir, "cert.pem"), key: filepath.Join(dir, "key.pem"),
	}
	s.uploaded, s.options = s.served, strings.Join(append(options, fmt.Sprintf("admin localhost:%d", s.admin)), "\n\t")
	writeKey(t, s.key, s.private)
	return s
}

// write writes a self-signed certificate for the host, changed by a function unless that
// is nil.
func (s *certificateSite) write(file string, change func(*x509.Certificate)) {
	s.t.Helper()
	template := certificateFor(s.host)
	if change != nil {
		change(template)
	}
	writePEM(s.t, file, "CERTIFICATE", create(s.t, template, template, s.private, s.private))
}

func (s *certificateSite) caddyfile() string {
	bot := caddytest.StartBot(s.t, func(http.ResponseWriter, *http.Request) {})
	config := registeringSite(s.port, s.api, bot, s.options, "ip_address 127.0.0.1", "name bot")
	return strings.NewReplacer("https://localhost:", "https://"+s.host+":", "certificate internal", "certificate "+s.uploaded,
		"\treverse_proxy", "\ttls "+s.served+" "+s.key+"\n\treverse_proxy").Replace(config)
}

// deliver has Telegram deliver an update on connections of its own.
func deliver(t testing.TB, api *telegramtest.API) {
	t.Helper()
	api.Send(caddytest.BotToken, telegramtest.Message(1, 1, "hello"))
	ctx, cancel := context.WithTimeout(context.Background(), caddytest.Patience)
	defer cancel()
	if err := api.Sender(caddytest.BotToken).Wait(ctx); err != nil {
		t.Fatalf("%v: %+v", err, api.Sender(caddytest.BotToken).Stats())
	}
}

// selfSigned writes a certificate for localhost and its key.
func selfSigned(t testing.TB, cert, key string) {
	t.Helper()
	private := newKey(t)
	template := certificateFor("localhost")
	writePEM(t, cert, "CERTIFICATE", create(t, template, template, private, private))
	writeKey(t, key, private)
}

// signed writes a certificate for localhost, its key, and the root that signs it.
func signed(t testing.TB, cert, key, root string) {
	t.Helper()
	authority, private := newKey(t), newKey(t)
	ca := certificateFor("Test CA")
	ca.IsCA, ca.DNSNames, ca.KeyUsage = true, nil, x509.KeyUsageCertSign
	leaf := certificateFor("localhost")
	leaf.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
	writePEM(t, root, "CERTIFICATE", create(t, ca, ca, authority, authority))
	writePEM(t, cert, "CERTIFICATE", create(t, leaf, ca, private, authority))
	writeKey(t, key, private)
}

func certificateFor(name string) *x509.Certificate {
	return &x509.Certificate{
		SerialNumber: big.NewInt(rand.Int64()), Subject: pkix.Name{CommonName: name}, DNSNames: []string{name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), BasicConstraintsValid: true,
	}
}

// create makes a certificate for a key, signed by the issuer's.
func create(t testing.TB, template, issuer *x509.Certificate, key, signer *ecdsa.PrivateKey) []byte {
	t.Helper()
	der, err := x509.CreateCertificate(cryptorand.Reader, template, issuer, key.Public(), signer)
	if err != nil {
		t.Fatal(err)
	}
	return der
}

func newKey(t testing.TB) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), cryptorand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func writeKey(t testing.TB, name string, key *ecdsa.PrivateKey) {
	t.Helper()
	pkcs8, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	writePEM(t, name, "PRIVATE KEY", pkcs8)
}

func writePEM(t testing.TB, name, kind string, content []byte) {
	t.Helper()
	if err := caddytest.WriteFile(name, string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: content}))); err != nil {
		t.Fatal(err)
	}
}
