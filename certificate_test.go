package telegramwebhook

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/caddy-telegram/telegramwebhook/internal/telegramtest"
)

// TestRenewedRoot gives Caddy's own CA a new root: it is uploaded again.
func TestRenewedRoot(t *testing.T) {
	api, address := startTelegram(t)
	c := startCaddy(t, registeringSite(freePort(t), address, "127.0.0.1:9", "admin off"))
	c.out.wait(t, "webhook registered")
	c.stop()
	if err := os.RemoveAll(c.file("data/caddy/pki")); err != nil {
		t.Fatal(err)
	}
	c.start()
	c.out.wait(t, "webhook registered")
	calls := slices.DeleteFunc(api.Calls("setWebhook"), func(c telegramtest.Call) bool { return c.Status != http.StatusOK })
	if len(calls) != 2 || bytes.Equal(calls[0].Files["certificate"], calls[1].Files["certificate"]) {
		t.Errorf("%d calls of setWebhook, want 2 with different certificates", len(calls))
	}
}

// TestCertificateWarning has a site whose certificate nobody trusts.
func TestCertificateWarning(t *testing.T) {
	_, address := startTelegram(t)
	port := freePort(t)
	config := registeringSite(port, address, "127.0.0.1:9", "admin off", "check 10s")
	c := startCaddy(t, strings.Replace(config, "certificate internal", "", 1))
	c.out.wait(t, "this site's certificate is not publicly trusted")
}

// TestCertificateFile uploads a self-signed certificate that the site serves. The
// stand-in trusts that one alone.
func TestCertificateFile(t *testing.T) {
	api, address := startTelegram(t)
	bot := startBot(t, func(http.ResponseWriter, *http.Request) {})
	dir, port := t.TempDir(), freePort(t)
	cert, key := filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	selfSigned(t, cert, key)
	config := registeringSite(port, address, bot, "admin off", "url /hook")
	config = strings.Replace(config, "certificate internal", "certificate "+cert, 1)
	config = strings.Replace(config, "\treverse_proxy", "\ttls "+cert+" "+key+"\n\treverse_proxy", 1)
	c := startCaddy(t, config)
	c.out.wait(t, "webhook registered")
	if w := api.Webhook(botToken); w.URL != fmt.Sprintf("https://localhost:%d/hook", port) || w.RootCAs == nil {
		t.Fatalf("registered %q, with certificate: %v", w.URL, w.RootCAs != nil)
	}
	api.Send(botToken, telegramtest.Message(1, 1, "hello"))
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := api.Sender(botToken).Wait(ctx); err != nil {
		t.Fatalf("%v: %+v", err, api.Sender(botToken).Stats())
	}
}

// selfSigned writes a certificate for localhost and its key.
func selfSigned(t *testing.T, cert, key string) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "localhost"}, DNSNames: []string{"localhost"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	if err != nil {
		t.Fatal(err)
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	for name, block := range map[string]*pem.Block{cert: {Type: "CERTIFICATE", Bytes: der}, key: {Type: "PRIVATE KEY", Bytes: pkcs8}} {
		if err := writeFile(name, string(pem.EncodeToMemory(block))); err != nil {
			t.Fatal(err)
		}
	}
}
