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
	if err := os.RemoveAll(c.File("data/caddy/pki")); err != nil {
		t.Fatal(err)
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
	dir := t.TempDir()
	cert, key, root := filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem"), filepath.Join(dir, "root.pem")
	signed(t, cert, key, root)
	t.Setenv("SSL_CERT_FILE", root)
	t.Setenv("SSL_CERT_DIR", dir+"/none")
	const needless, missing = "a certificate is uploaded although this site's is publicly trusted", "this site's certificate is not publicly trusted"
	for name, tc := range map[string]struct {
		upload  string
		warning bool
	}{
		"the root":        {"certificate " + root, true},
		"the certificate": {"certificate " + cert, true},
		"none":            {"", false},
	} {
		t.Run(name, func(t *testing.T) {
			_, address := caddytest.StartTelegram(t)
			config := registeringSite(caddytest.FreePort(t), address, "127.0.0.1:9", "admin off")
			config = strings.Replace(config, "certificate internal", tc.upload, 1)
			config = strings.Replace(config, "\treverse_proxy", "\ttls "+cert+" "+key+"\n\treverse_proxy", 1)
			c := caddytest.Start(t, config)
			c.Out.Wait(t, "webhook registered")
			c.Stop()
			if warned := strings.Contains(c.Out.String(), needless); warned != tc.warning {
				t.Errorf("warned of a needless upload: %v, want %v", warned, tc.warning)
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
