package command

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/caddy-telegram/telegramwebhook/internal/probe"
)

const (
	day         = 24 * time.Hour
	otherSecret = "Zr8_mWq2Tn-4LcKx7VbYs9HdPf3GjRaU"
	none        = "-"

	// reset is where connections are dropped at once.
	reset = "reset"

	// publicIP is where everything is, as far as the audit knows.
	publicIP = "93.184.215.14"
)

// site is a server for bot.example.com. The zero value is a sound one.
type site struct {
	names               []string      // of the certificate
	notBefore, notAfter time.Duration // from now; by default it has 76 days left of 90
	selfSigned          bool
	least, most         uint16 // versions of TLS
	https, http         http.Handler
	noHTTP              bool   // nothing listens on port 80
	secret              string // other than the right one
}

// network leads everything that is dialed to a site, and notes it.
type network struct {
	addrs       []netip.Addr // of bot.example.com
	ca          string       // file
	secret      string
	https, http string // addresses of the servers

	diverted func(before int) string // where connections to port 443 lead, by how many came before; unless nil

	at map[string]string // servers at other addresses of bot.example.com; "" is none

	told      atomic.Bool // the right secret has arrived, by https
	overheard atomic.Bool // some secret has arrived, by http

	mu         sync.Mutex
	calls      []string
	handshakes int
	other      func(handshakes int) *tls.Certificate // in place of the site's, unless nil
}

func (s site) start(t *testing.T) *network {
	t.Helper()
	cert, ca := s.certificate(t)
	handler := s.https
	if handler == nil {
		handler = sound
	}
	redirect := s.http
	if redirect == nil {
		redirect = http.RedirectHandler(auditedURL, http.StatusPermanentRedirect)
	}
	n := &network{addrs: []netip.Addr{netip.MustParseAddr(publicIP)}, ca: file(t, "ca.pem", ca), secret: orElse(s.secret, rightSecret)}
	n.https = listen(t, n.watch(handler), &tls.Config{
		Certificates: []tls.Certificate{cert}, MinVersion: s.least, MaxVersion: s.most, GetCertificate: n.certificate,
	})
	if !s.noHTTP {
		n.http = listen(t, n.watch(redirect), nil)
	}
	return n
}

func listen(t *testing.T, h http.Handler, config *tls.Config) (address string) {
	t.Helper()
	server := httptest.NewUnstartedServer(h)
	server.Config.ErrorLog = log.New(io.Discard, "", 0) // handshakes that are meant to fail
	if server.TLS = config; config == nil {
		server.Start()
	} else {
		server.StartTLS()
	}
	t.Cleanup(server.Close)
	return server.Listener.Addr().String()
}

// certificate returns the site's, and the PEM form of the CA that audits trust.
func (s site) certificate(t *testing.T) (tls.Certificate, string) {
	t.Helper()
	now := time.Now()
	root := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "A root"},
		NotBefore: now.Add(-365 * day), NotAfter: now.Add(365 * day),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	rootKey, rootDER := issue(t, root, root, nil)
	leaf := &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: "A site"}, DNSNames: s.names,
		NotBefore: now.Add(-14 * day), NotAfter: now.Add(76*day + time.Hour),
	}
	if s.names == nil {
		leaf.DNSNames = []string{"bot.example.com"}
	}
	if s.notBefore != 0 {
		leaf.NotBefore = now.Add(s.notBefore)
	}
	if s.notAfter != 0 {
		leaf.NotAfter = now.Add(s.notAfter)
		leaf.NotBefore = min2(leaf.NotBefore, leaf.NotAfter.Add(-90*day), s.notBefore != 0)
	}
	parent, signer := root, rootKey
	if s.selfSigned {
		parent, signer = leaf, nil
	}
	key, der := issue(t, leaf, parent, signer)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key},
		string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: rootDER}))
}

// min2 is the earlier time, or the first if that is fixed.
func min2(a, b time.Time, fixed bool) time.Time {
	if fixed || a.Before(b) {
		return a
	}
	return b
}

// issue signs a certificate for a new key, with that key itself if there is no
// other.
func issue(t *testing.T, template, parent *x509.Certificate, signer *ecdsa.PrivateKey) (*ecdsa.PrivateKey, []byte) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	if signer == nil {
		signer = key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, &key.PublicKey, signer)
	if err != nil {
		t.Fatal(err)
	}
	return key, der
}

// audit runs the command with the site's secret, or another one.
func (n *network) audit(t *testing.T, secret string, args ...string) result {
	t.Helper()
	switch secret {
	case "":
		secret = n.secret
	case none:
		secret = ""
	}
	t.Setenv(secretEnv, secret)
	if !slices.Contains(args, "--insecure") {
		args = append(args, "--ca", n.ca)
	}
	return execute(t, auditor{options: probe.Options{Lookup: n.resolve, Dial: n.dial}}.command(), append([]string{"audit"}, args...), "")
}

// swap has another certificate served, by the number of the handshake.
func (n *network) swap(other func(handshakes int) *tls.Certificate) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.other = other
}

func (n *network) certificate(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.handshakes++; n.other == nil {
		return nil, nil
	}
	return n.other(n.handshakes), nil
}

// leadTo gives bot.example.com an address; "" is none.
func (n *network) leadTo(address string) {
	if n.addrs = nil; address != "" {
		n.addrs = []netip.Addr{netip.MustParseAddr(address)}
	}
}

func (n *network) resolve(_ context.Context, host string) ([]netip.Addr, error) {
	if host != "bot.example.com" {
		return nil, &net.DNSError{Err: "no such host", Name: host, IsNotFound: true}
	}
	return n.addrs, nil
}

func (n *network) dial(ctx context.Context, network, address string) (net.Conn, error) {
	n.mu.Lock()
	n.calls = append(n.calls, network+" "+address)
	before := len(n.calls) - 1
	n.mu.Unlock()
	to := n.https
	if n.diverted != nil {
		to = n.diverted(before)
	}
	if strings.HasSuffix(address, ":80") {
		to = n.http
	}
	if host, _, _ := net.SplitHostPort(address); host != publicIP {
		if other, ok := n.at[host]; ok {
			to = other
		}
	}
	if to == reset {
		return nil, &net.OpError{Op: "dial", Net: network, Err: syscall.ECONNRESET}
	}
	if to == "" {
		return nil, &net.OpError{Op: "dial", Net: network, Err: syscall.ECONNREFUSED}
	}
	return new(net.Dialer).DialContext(ctx, network, to)
}

func (n *network) dialed() []string {
	n.mu.Lock()
	defer n.mu.Unlock()
	return slices.Clone(n.calls)
}

// check holds for every audit: few requests, none to anybody else, and the secret
// is nowhere.
func (n *network) check(t *testing.T, got result) {
	t.Helper()
	calls := n.dialed()
	if len(calls) > probe.MaxRequests {
		t.Errorf("%d requests", len(calls))
	}
	for _, call := range calls {
		if !slices.Contains([]string{"tcp4 " + publicIP + ":443", "tcp4 " + publicIP + ":80", "tcp4 " + publicIP + ":8443"}, call) {
			t.Errorf("dialed %s", call)
		}
	}
	if n.overheard.Load() {
		t.Error("the secret was sent by http")
	}
	if text := strings.ToLower(got.out + got.err + got.failure); strings.Contains(text, strings.ToLower(n.secret)) {
		t.Errorf("the secret is in the output:\n%s", text)
	}
}
