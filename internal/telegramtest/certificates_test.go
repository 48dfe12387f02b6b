package telegramtest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"testing"
	"time"
)

// authority makes certificates; the zero value makes self-signed ones.
type authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func (a authority) issue(t *testing.T, template x509.Certificate) (tls.Certificate, authority) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template.SerialNumber = big.NewInt(1)
	template.NotBefore, template.NotAfter = time.Now().Add(-time.Hour), time.Now().Add(time.Hour)
	if a.cert == nil {
		a = authority{&template, key}
	}
	der, err := x509.CreateCertificate(rand.Reader, &template, a.cert, &key.PublicKey, a.key)
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

func TestCertificates(t *testing.T) {
	const refused = "SSL error {error:0A000086:SSL routines::certificate verify failed}"
	leaf, self := authority{}.issue(t, certTemplate("bot.example.com"))
	byName, selfByName := authority{}.issue(t, x509.Certificate{Subject: pkix.Name{CommonName: "bot.example.com"}})
	wild, selfWild := authority{}.issue(t, x509.Certificate{Subject: pkix.Name{CommonName: "*.example.com"}})
	both, selfBoth := authority{}.issue(t, x509.Certificate{Subject: pkix.Name{CommonName: "bot.example.com"}, DNSNames: []string{"other.example.com"}})
	_, root := authority{}.issue(t, x509.Certificate{IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign})
	issued, _ := root.issue(t, certTemplate("bot.example.com"))
	late, lateRoot := authority{}.issue(t, certTemplate("late.example.com"))

	for _, test := range []struct {
		name  string
		cert  tls.Certificate
		roots *x509.CertPool
		want  string
	}{
		{"self-signed, uploaded", leaf, pool(self.cert), ""},
		{"self-signed, not uploaded", leaf, nil, refused},
		{"self-signed, another one uploaded", leaf, pool(selfBoth.cert), refused},
		{"private root", issued, pool(root.cert), ""},
		{"private root, not uploaded", issued, nil, refused},
		{"common name", byName, pool(selfByName.cert), ""},
		{"common name with a wildcard", wild, pool(selfWild.cert), ""},
		{"common name beside other names", both, pool(selfBoth.cert), refused},
		{"another host", late, pool(lateRoot.cert), refused},
	} {
		t.Run(test.name, func(t *testing.T) {
			w := listen(t, serverConfig(test.cert))
			ended := make(chan Attempt, 100)
			s := NewSender(Webhook{URL: "https://bot.example.com/", RootCAs: test.roots},
				Options{Dial: w.dial, OnAttempt: func(a Attempt) { ended <- a }})
			defer s.Close()
			s.Send([]byte(inChat(1, 1)))
			a := <-ended
			if got := s.Stats().LastError; got != test.want || a.Delivered != (test.want == "") {
				t.Errorf("got %q: %v", got, a.Err)
			}
		})
	}
}
