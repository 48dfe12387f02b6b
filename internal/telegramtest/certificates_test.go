package telegramtest

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/caddy-telegram/telegramwebhook/internal/telegram"
)

// authority makes certificates; the zero value makes self-signed ones.
type authority struct {
	cert *x509.Certificate
	key  crypto.Signer
}

func (a authority) issue(t *testing.T, template x509.Certificate) (tls.Certificate, authority) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return a.issueFor(t, key, template)
}

func (a authority) issueFor(t *testing.T, key crypto.Signer, template x509.Certificate) (tls.Certificate, authority) {
	t.Helper()
	template.SerialNumber = big.NewInt(1)
	template.NotBefore = time.Now().Add(-time.Hour)
	if template.NotAfter.IsZero() {
		template.NotAfter = time.Now().Add(time.Hour)
	}
	if a.cert == nil {
		a = authority{&template, key}
	}
	der, err := x509.CreateCertificate(rand.Reader, &template, a.cert, key.Public(), a.key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: cert}, authority{cert, key}
}

func certTemplate(names ...string) x509.Certificate {
	return x509.Certificate{DNSNames: names}
}

// withIdentifiers adds what tells a key from others of the same name.
func withIdentifiers(template x509.Certificate, id byte) x509.Certificate {
	template.SubjectKeyId, template.AuthorityKeyId = []byte{id}, []byte{id}
	return template
}

func serverConfig(cert tls.Certificate) *tls.Config {
	return &tls.Config{Certificates: []tls.Certificate{cert}}
}

func toPEM(cert *x509.Certificate) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert.Raw})
}

func pool(certs ...*x509.Certificate) *x509.CertPool {
	p := x509.NewCertPool()
	for _, c := range certs {
		p.AddCert(c)
	}
	return p
}

const refusedCertificate = "SSL error {error:0A000086:SSL routines::certificate verify failed}"

// TestNotUploaded has certificates that nobody trusts.
func TestNotUploaded(t *testing.T) {
	leaf, _ := authority{}.issue(t, certTemplate("bot.example.com"))
	w := listen(t, serverConfig(leaf))
	ended := make(chan Attempt, 100)
	s := NewSender(Webhook{URL: "https://bot.example.com/"}, Options{Dial: w.dial, OnAttempt: func(a Attempt) { ended <- a }})
	defer s.Close()
	s.Send([]byte(inChat(1, 1)))
	if a := <-ended; a.Delivered || s.Stats().LastError != refusedCertificate {
		t.Errorf("got %q: %v", s.Stats().LastError, a.Err)
	}
}

// TestUploads has the certificates that were tried with Telegram's own sender, and the
// same result for the check before an upload and for the stand-in.
func TestUploads(t *testing.T) {
	const name, ip = "bot.example.com", "203.0.113.7"
	address := []net.IP{net.ParseIP(ip)}
	self := func(commonName string, addresses []net.IP, names ...string) tls.Certificate {
		cert, _ := authority{}.issue(t, x509.Certificate{Subject: pkix.Name{CommonName: commonName}, IPAddresses: addresses, DNSNames: names})
		return cert
	}
	withRSA := func(bits int) tls.Certificate {
		key, err := rsa.GenerateKey(rand.Reader, bits)
		if err != nil {
			t.Fatal(err)
		}
		cert, _ := authority{}.issueFor(t, key, certTemplate(name))
		return cert
	}
	ca := x509.Certificate{IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign, Subject: pkix.Name{CommonName: "root"}}
	root, rootCA := authority{}.issue(t, ca)
	ca.Subject.CommonName = "intermediate"
	intermediate, intermediateCA := rootCA.issue(t, ca)
	alone, _ := intermediateCA.issue(t, certTemplate(name))
	chain := alone
	chain.Certificate = [][]byte{alone.Certificate[0], intermediate.Certificate[0]}
	ca.Subject.CommonName = "lower intermediate"
	lower, lowerCA := intermediateCA.issue(t, ca)
	deep, _ := lowerCA.issue(t, certTemplate(name))
	deep.Certificate = append(deep.Certificate, intermediate.Certificate[0])
	internal, _ := rootCA.issue(t, x509.Certificate{IPAddresses: address})
	ca.Subject.CommonName, ca.DNSNames, ca.KeyUsage = name, []string{name}, x509.KeyUsageCertSign|x509.KeyUsageDigitalSignature
	selfCA, _ := authority{}.issue(t, ca)
	ca.DNSNames = []string{"other.example.com"}
	otherCA, _ := authority{}.issue(t, ca)
	oneself, other := self(name, nil), self(name, nil)
	usage := func(usage x509.KeyUsage, extended ...x509.ExtKeyUsage) tls.Certificate {
		cert, _ := authority{}.issue(t, x509.Certificate{DNSNames: []string{name}, KeyUsage: usage, ExtKeyUsage: extended})
		return cert
	}
	anyLeaf, _ := rootCA.issue(t, x509.Certificate{DNSNames: []string{name}, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageAny}})

	// The old and the new one of a renewal: with the same key, with another, and one that has expired.
	renewal := withIdentifiers(x509.Certificate{Subject: pkix.Name{CommonName: name}}, 1)
	old, oldKey := authority{}.issue(t, renewal)
	sameKey, _ := authority{}.issueFor(t, oldKey.key, renewal)
	newKey, _ := authority{}.issue(t, withIdentifiers(renewal, 2))
	renewal.NotAfter = time.Now().Add(-time.Minute)
	expired, _ := authority{}.issueFor(t, oldKey.key, renewal)
	renewal.NotAfter, renewal.IsCA, renewal.BasicConstraintsValid = time.Time{}, true, true
	renewal.DNSNames = []string{"other.example.com"}
	oldAsCA, _ := authority{}.issueFor(t, oldKey.key, renewal)

	ca = x509.Certificate{IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign, Subject: pkix.Name{CommonName: "root"}}
	otherRoot, _ := authority{}.issue(t, ca)
	nameless := *rootCA.cert
	nameless.SubjectKeyId = nil
	namelessLeaf, _ := authority{&nameless, rootCA.key}.issue(t, certTemplate(name))
	ca.SignatureAlgorithm = x509.ECDSAWithSHA1
	sha1Root, sha1CA := authority{}.issue(t, ca)
	sha1Leaf, _ := sha1CA.issue(t, certTemplate(name))
	broken := slices.Clone(root.Leaf.Raw)
	broken[len(broken)-1] ^= 1 // in the signature
	brokenRoot, err := x509.ParseCertificate(broken)
	if err != nil {
		t.Fatal(err)
	}
	ca.SignatureAlgorithm, ca.DNSNames = 0, []string{name}
	certSign, _ := authority{}.issue(t, ca)
	late, _ := authority{}.issue(t, x509.Certificate{DNSNames: []string{name}, NotAfter: time.Now().Add(-time.Minute)})
	client, _ := authority{}.issue(t, x509.Certificate{DNSNames: []string{name}, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}})
	key, err := x509.MarshalPKCS8PrivateKey(oneself.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}

	files := func(certs ...tls.Certificate) (content []byte) {
		for _, c := range certs {
			content = append(content, toPEM(c.Leaf)...)
		}
		return content
	}
	block := func(body string) []byte {
		return []byte("-----BEGIN CERTIFICATE-----\n" + body + "\n-----END CERTIFICATE-----\n")
	}
	const passes, fails, refused = "passes", "fails in the handshake", "is refused by setWebhook"
	private := pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: key})
	for _, test := range []struct {
		name   string
		host   string
		served tls.Certificate
		upload []byte
		want   string
	}{
		{"CN = address", ip, self(ip, nil), nil, passes},
		{"dNSName = address", ip, self("", nil, ip), nil, passes},
		{"iPAddress = address", ip, self("", address), nil, fails},
		{"iPAddress beside CN of another", ip, self("bot", address), nil, fails},
		{"Caddy's own CA for an address", ip, internal, files(root), fails},
		{"CN = name", name, self(name, nil), nil, passes},
		{"CN = name beside an iPAddress", name, self(name, address), nil, passes},
		{"CN = name beside dNSNames of others", name, self(name, nil, "other.example.com"), nil, fails},
		{"one of two dNSNames", name, self("", nil, "other.example.com", "BOT.example.com"), nil, passes},
		{"another name", name, self("other.example.com", nil), nil, fails},
		{"no name", name, self("", nil), nil, fails},
		{"wildcard", name, self("", nil, "*.example.com"), nil, passes},
		{"wildcard in CN", name, self("*.example.com", nil), nil, passes},
		{"wildcard for two labels", "a.bot.example.com", self("", nil, "*.example.com"), nil, fails},
		{"wildcard for no label", "example.com", self("", nil, "*.example.com"), nil, fails},
		{"wildcard for a whole domain", "example.com", self("", nil, "*.com"), nil, fails},
		{"a*, matching", "abot.example.com", self("", nil, "a*.example.com"), nil, passes},
		{"a*, matching a", "a.example.com", self("", nil, "a*.example.com"), nil, passes},
		{"a*, another letter", name, self("", nil, "a*.example.com"), nil, fails},
		{"b*t", name, self("", nil, "b*t.example.com"), nil, fails},

		{"self-signed", name, oneself, nil, passes},
		{"self-signed, a CA too", name, selfCA, nil, passes},
		{"self-signed, a CA too, another name", name, otherCA, nil, fails},
		{"self-signed, another one uploaded", name, oneself, files(other), fails},
		{"self-signed, old and new uploaded, old served", name, oneself, files(oneself, other), passes},
		{"self-signed, old and new uploaded, new served", name, newKey, files(old, newKey), passes},
		{"self-signed, no identifiers, new one first", name, other, files(other, oneself), passes},
		{"self-signed, no identifiers, old one first", name, other, files(oneself, other), fails},
		{"self-signed, the same key, served one first", name, sameKey, files(sameKey, old), passes},
		{"self-signed, the same key, other one first", name, sameKey, files(old, sameKey), fails},
		{"self-signed, the same key, expired one first", name, sameKey, files(expired, sameKey), passes},
		{"self-signed, the same key, another CA uploaded", name, sameKey, files(oldAsCA), fails},
		{"root, chain sent", name, chain, files(root), passes},
		{"root, chain not sent", name, alone, files(root), fails},
		{"root and intermediate, chain not sent", name, alone, files(root, intermediate), passes},
		{"root and lower intermediate, upper one sent", name, deep, files(root, lower), fails},
		{"root and both intermediates, upper one sent too", name, deep, files(root, lower, intermediate), passes},
		{"root that signed itself with SHA-1", name, sha1Leaf, files(sha1Root), passes},
		{"root whose own signature is broken", name, chain, toPEM(brokenRoot), passes},
		{"two roots of the same name, right one first", name, namelessLeaf, files(root, otherRoot), passes},
		{"two roots of the same name, wrong one first", name, namelessLeaf, files(otherRoot, root), fails},
		{"intermediate, chain sent", name, chain, files(intermediate), fails},
		{"leaf that another one signs", name, chain, files(alone), fails},
		{"leaf and intermediate", name, chain, files(alone, intermediate), fails},
		{"expired", name, late, nil, fails},
		{"clientAuth only", name, client, nil, fails},
		{"any use", name, usage(0, x509.ExtKeyUsageAny), nil, fails},
		{"any use and serverAuth", name, usage(0, x509.ExtKeyUsageAny, x509.ExtKeyUsageServerAuth), nil, passes},
		{"any use, signed by a root", name, anyLeaf, files(root), fails},
		{"certSign only", name, usage(x509.KeyUsageCertSign), nil, fails},
		{"cRLSign only", name, usage(x509.KeyUsageCRLSign), nil, fails},
		{"keyEncipherment only", name, usage(x509.KeyUsageKeyEncipherment), nil, passes},
		{"a CA for certSign only", name, certSign, nil, fails},
		{"RSA 1024", name, withRSA(1024), nil, fails},
		{"RSA 2048", name, withRSA(2048), nil, passes},

		{"a key", name, oneself, private, refused},
		{"a key besides", name, oneself, append(files(oneself), private...), refused},
		{"DER", name, oneself, oneself.Certificate[0], refused},
		{"empty file", name, oneself, []byte{}, refused},
		{"broken base64 before", name, oneself, append(block("!"), files(oneself)...), refused},
		{"broken base64 after", name, oneself, append(files(oneself), block("!")...), refused},
		{"broken certificate", name, oneself, append(block("AAAA"), files(oneself)...), refused},
		{"no end", name, oneself, append(files(oneself), "-----BEGIN CERTIFICATE-----\nAAAA\n"...), refused},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			if test.upload == nil {
				test.upload = files(test.served)
			}
			checked := check(test.upload, test.served, test.host)
			if (checked == nil) != (test.want == passes) {
				t.Errorf("the check: %v", checked)
			}

			w := listen(t, serverConfig(test.served))
			ended := make(chan Attempt, 100)
			a := newAPI(t, nil, APIOptions{AllowReserved: true, Sender: Options{Dial: w.dial, OnAttempt: func(a Attempt) { ended <- a }}})
			if r := upload(t, a, test.upload, "url", "https://"+test.host+"/"); !r.OK {
				if test.want != refused || !strings.HasPrefix(r.Description, "Bad Request: bad webhook: Failed to set custom certificate file") {
					t.Errorf("the stand-in: %s", r.Description)
				}
				return
			}
			a.Send(token, []byte(inChat(1, 1)))
			attempt, lastError := <-ended, ""
			if test.want == fails {
				lastError = refusedCertificate
			}
			if got := a.Sender(token).Stats().LastError; attempt.Delivered != (test.want == passes) || got != lastError || test.want == refused {
				t.Errorf("the stand-in: %q, %v", got, attempt.Err)
			}
		})
	}
}

// TestChainInUpload has a site that sends no chain, and an upload with all of it.
func TestChainInUpload(t *testing.T) {
	ca := x509.Certificate{IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign, Subject: pkix.Name{CommonName: "root"}}
	root, rootCA := authority{}.issue(t, ca)
	ca.Subject.CommonName = "intermediate"
	intermediate, intermediateCA := rootCA.issue(t, ca)
	leaf, _ := intermediateCA.issue(t, certTemplate("bot.example.com"))
	if err := check(append(toPEM(intermediate.Leaf), toPEM(root.Leaf)...), leaf, "bot.example.com"); err != nil {
		t.Error(err)
	}
}

// TestExpiredRoot says what is wrong with the only certificate that fits.
func TestExpiredRoot(t *testing.T) {
	ca := x509.Certificate{IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign, Subject: pkix.Name{CommonName: "root"}}
	ca.NotAfter = time.Now().Add(-time.Minute)
	root, rootCA := authority{}.issue(t, ca)
	leaf, _ := rootCA.issue(t, certTemplate("bot.example.com"))
	if err := check(toPEM(root.Leaf), leaf, "bot.example.com"); err == nil || !strings.Contains(err.Error(), "expired") {
		t.Errorf("got %v", err)
	}
}

// TestSeveralChains has a site for which two certificates are loaded: either may be served.
func TestSeveralChains(t *testing.T) {
	before, _ := authority{}.issue(t, withIdentifiers(certTemplate("bot.example.com"), 1))
	after, _ := authority{}.issue(t, withIdentifiers(certTemplate("bot.example.com"), 2))
	served := [][]*x509.Certificate{{before.Leaf}, {after.Leaf}}
	for _, c := range []tls.Certificate{before, after} {
		if telegram.CheckUpload(toPEM(c.Leaf), served, "bot.example.com") == nil {
			t.Error("one of them fits for both")
		}
	}
	if err := telegram.CheckUpload(append(toPEM(after.Leaf), toPEM(before.Leaf)...), served, "bot.example.com"); err != nil {
		t.Error(err)
	}
}

// TestUnknownChain has uploads for a site of which it is not known what it serves.
func TestUnknownChain(t *testing.T) {
	ca := x509.Certificate{IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign, Subject: pkix.Name{CommonName: "root"}}
	root, rootCA := authority{}.issue(t, ca)
	signed, _ := rootCA.issue(t, certTemplate("bot.example.com"))
	fits, _ := authority{}.issue(t, certTemplate("bot.example.com"))
	other, _ := authority{}.issue(t, certTemplate("other.example.com"))
	ca.NotAfter = time.Now().Add(-time.Minute)
	late, _ := authority{}.issue(t, ca)
	for name, test := range map[string]struct {
		uploaded []byte
		passes   bool
	}{
		"a root":                    {toPEM(root.Leaf), true},
		"an expired root":           {toPEM(late.Leaf), false},
		"self-signed":               {toPEM(fits.Leaf), true},
		"self-signed, another host": {toPEM(other.Leaf), false},
		"one of both":               {append(toPEM(fits.Leaf), toPEM(other.Leaf)...), true},
		"not self-signed":           {toPEM(signed.Leaf), false},
	} {
		if err := telegram.CheckUpload(test.uploaded, nil, "bot.example.com"); (err == nil) != test.passes {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

// check is the check before an upload for a site that serves cert.
func check(content []byte, cert tls.Certificate, host string) error {
	chain, err := x509.ParseCertificates(slices.Concat(cert.Certificate...))
	if err != nil {
		return err
	}
	return telegram.CheckUpload(content, [][]*x509.Certificate{chain}, host)
}
