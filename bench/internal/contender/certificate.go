package contender

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"os"
	"time"

	"github.com/caddy-telegram/telegramwebhook/internal/telegram"
)

// makeCertificate writes a self-signed certificate with the kind of key that
// public authorities certify most: ECDSA on P-256.
func (s *Setup) makeCertificate() error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1),
		Subject:      pkix.Name{CommonName: Host},
		DNSNames:     []string{Host},
		NotBefore:    time.Now().Add(-time.Hour),
		NotAfter:     time.Now().Add(90 * 24 * time.Hour),
		KeyUsage:     x509.KeyUsageDigitalSignature,
		ExtKeyUsage:  []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return err
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return err
	}
	s.roots = x509.NewCertPool()
	s.roots.AppendCertsFromPEM(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
	cert := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	keyPEM := pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: keyDER})
	s.cert, s.key, s.combined = s.file("cert.pem"), s.file("key.pem"), s.file("combined.pem")
	for path, content := range map[string][]byte{s.cert: cert, s.key: keyPEM, s.combined: append(cert, keyPEM...)} {
		if err := os.WriteFile(path, content, 0o600); err != nil {
			return err
		}
	}
	return nil
}

// TelegramTLS returns the TLS settings with which Telegram connects. The curve is
// the first that Telegram offers, and every contender supports it.
func (r *Running) TelegramTLS() *tls.Config {
	config := telegram.TLSConfig(Host)
	config.RootCAs = r.setup.roots
	config.CurvePreferences = []tls.CurveID{tls.X25519}
	return config
}
