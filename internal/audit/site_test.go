package audit

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
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

	"github.com/caddy-telegram/telegramwebhook/internal/telegram"
)

const (
	day         = 24 * time.Hour
	otherSecret = "Zr8_mWq2Tn-4LcKx7VbYs9HdPf3GjRaU"
	theSecret   = "Kq3v9-Zt_7LwXb2RmYd5HsNc8GfJpQaE"
	auditedURL  = "https://bot.example.com/telegram"

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
	https, http         http.Handler
	noHTTP              bool // nothing listens on port 80
}

// network leads everything that is dialed to a site, and notes it.
type network struct {
	addrs       []netip.Addr // of bot.example.com
	roots       *x509.CertPool
	leaf        []byte // the site's certificate
	https, http string // addresses of the servers

	diverted func(before int) string // where connections to port 443 lead, by how many came before; unless nil

	at map[string]string // servers at other addresses of bot.example.com; "" is none

	secretSent  atomic.Bool // the right secret has arrived
	sentInClear atomic.Bool // it has arrived by http

	mu         sync.Mutex
	calls      []string
	handshakes int
	other      func(handshakes int) *tls.Certificate // in place of the site's, unless nil
}

func (s site) start(t *testing.T) *network {
	t.Helper()
	cert, roots := s.certificate(t)
	handler := s.https
	if handler == nil {
		handler = sound
	}
	redirect := s.http
	if redirect == nil {
		redirect = http.RedirectHandler(auditedURL, http.StatusPermanentRedirect)
	}
	n := &network{addrs: []netip.Addr{netip.MustParseAddr(publicIP)}, roots: roots, leaf: cert.Certificate[0]}
	n.https = listen(t, n.watch(handler), &tls.Config{
		Certificates: []tls.Certificate{cert}, GetCertificate: n.certificate,
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

// certificate returns the site's, and the CA that audits trust.
func (s site) certificate(t *testing.T) (tls.Certificate, *x509.CertPool) {
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
	roots := x509.NewCertPool()
	if ca, err := x509.ParseCertificate(rootDER); err != nil {
		t.Fatal(err)
	} else {
		roots.AddCert(ca)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, roots
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

// audit audits the site as at the given url, and returns the findings by check.
func (n *network) audit(t *testing.T, url string, o Options) map[string]Finding {
	t.Helper()
	o.Target, o.Lookup, o.Dial = target(t, url), n.resolve, n.dial
	if o.Roots == nil {
		o.Roots = n.roots
	}
	found := make(map[string]Finding)
	for _, f := range Run(t.Context(), o) {
		if text := strings.ToLower(f.Seen + f.Remedy); strings.Contains(text, strings.ToLower(theSecret)) {
			t.Errorf("a finding holds the secret: %+v", f)
		}
		if (f.Remedy == "") != (f.Result == Pass) || found[f.Check].Check != "" {
			t.Errorf("no remedy, or one too many, or found twice: %+v", f)
		}
		found[f.Check] = f
	}
	return found
}

func target(t *testing.T, url string) telegram.Target {
	t.Helper()
	target, err := telegram.ParseTarget(url)
	if err != nil {
		t.Fatal(err)
	}
	return target
}

// want compares a finding with its result and what it shows.
func want(t *testing.T, f Finding, want string) {
	t.Helper()
	result, seen, _ := strings.Cut(want, " ")
	if string(f.Result) != result || !strings.Contains(f.Seen, seen) {
		t.Errorf("got %+v, want %s", f, want)
	}
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

func (n *network) resolve(_ context.Context, _, host string) ([]netip.Addr, error) {
	if host == "away.example.com" {
		return nil, &net.DNSError{Err: "i/o timeout", Name: host, IsTimeout: true, IsTemporary: true}
	}
	if host != "bot.example.com" && host != publicIP || len(n.addrs) == 0 {
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
