package telegramtest

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"io"
	"math/big"
	"net"
	"strings"
	"sync"
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

// webhook listens with TLS on loopback. It keeps what it read, byte for byte,
// and answers 200 after each request.
type webhook struct {
	net.Listener
	mu     sync.Mutex
	raw    strings.Builder
	states []tls.ConnectionState
	hellos []tls.ClientHelloInfo
}

func listen(t *testing.T, config *tls.Config) *webhook {
	t.Helper()
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	w := &webhook{Listener: l}
	config = config.Clone()
	config.NextProtos = []string{"h2", "http/1.1"}
	config.GetConfigForClient = func(hello *tls.ClientHelloInfo) (*tls.Config, error) {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.hellos = append(w.hellos, *hello)
		return nil, nil
	}
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go w.serve(tls.Server(c, config))
		}
	}()
	return w
}

func (w *webhook) serve(c *tls.Conn) {
	defer c.Close()
	if c.Handshake() != nil {
		return
	}
	w.mu.Lock()
	w.states = append(w.states, c.ConnectionState())
	w.mu.Unlock()
	r := bufio.NewReader(c)
	for {
		var head strings.Builder
		for !strings.HasSuffix(head.String(), "\r\n\r\n") {
			b, err := r.ReadByte()
			if err != nil {
				return
			}
			head.WriteByte(b)
		}
		_, length, _ := strings.Cut(head.String(), "Content-Length: ")
		n := leadingInt(length)
		body := make([]byte, n)
		if _, err := io.ReadFull(r, body); err != nil {
			return
		}
		w.mu.Lock()
		w.raw.WriteString(head.String())
		w.raw.Write(body)
		w.mu.Unlock()
		io.WriteString(c, ok)
	}
}

func leadingInt(s string) (n int) {
	for _, c := range s {
		if c < '0' || c > '9' {
			break
		}
		n = 10*n + int(c-'0')
	}
	return n
}

// dial takes any address to the listener.
func (w *webhook) dial(ctx context.Context, network, _ string) (net.Conn, error) {
	return new(net.Dialer).DialContext(ctx, network, w.Addr().String())
}

func TestWire(t *testing.T) {
	cert, root := authority{}.issue(t, certTemplate("bot.example.com"))
	w := listen(t, serverConfig(cert))
	s := NewSender(
		Webhook{URL: "https://bot.example.com:8443/hook?x=1", Secret: "s3-cret_", MaxConnections: 1, RootCAs: pool(root.cert)},
		Options{Dial: w.dial},
	)
	defer s.Close()
	s.Send([]byte("{\"update_id\":471961782,\n\"message\":{\"chat\":{\"id\":1}}}"))
	s.Send([]byte("{\"update_id\":471961783,\n\"message\":{\"chat\":{\"id\":1}}}"))
	wait(t, s)

	want := ""
	for _, id := range []string{"471961782", "471961783"} {
		want += "POST /hook?x=1 HTTP/1.1\r\n" +
			"Host: bot.example.com:8443\r\n" +
			"X-Telegram-Bot-Api-Secret-Token: s3-cret_\r\n" +
			"Content-Type: application/json\r\n" +
			"Content-Length: 52\r\n" +
			"Connection: keep-alive\r\n" +
			"Accept-Encoding: gzip, deflate\r\n" +
			"\r\n" +
			"{\"update_id\":" + id + ",\n\"message\":{\"chat\":{\"id\":1}}}"
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if got := w.raw.String(); got != want {
		t.Errorf("got\n%q\nwant\n%q", got, want)
	}
	if len(w.states) != 1 {
		t.Fatalf("%d connections", len(w.states))
	}
	hello := w.hellos[0]
	if hello.ServerName != "bot.example.com" || hello.SupportedProtos != nil || w.states[0].NegotiatedProtocol != "" {
		t.Errorf("SNI %q, ALPN %q", hello.ServerName, hello.SupportedProtos)
	}
	for _, v := range hello.SupportedVersions {
		if v < tls.VersionTLS12 {
			t.Errorf("offers TLS version %x", v)
		}
	}
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

func TestTLSVersions(t *testing.T) {
	cert, root := authority{}.issue(t, certTemplate("bot.example.com"))
	for version, want := range map[uint16]bool{tls.VersionTLS11: false, tls.VersionTLS12: true, tls.VersionTLS13: true} {
		w := listen(t, &tls.Config{Certificates: []tls.Certificate{cert}, MinVersion: tls.VersionTLS10, MaxVersion: version})
		ended := make(chan Attempt, 100)
		s := NewSender(Webhook{URL: "https://bot.example.com/", RootCAs: pool(root.cert)},
			Options{Dial: w.dial, OnAttempt: func(a Attempt) { ended <- a }})
		s.Send([]byte(inChat(1, 1)))
		if a := <-ended; a.Delivered != want || !want && !strings.HasPrefix(a.Err.Error(), "SSL error {") {
			t.Errorf("TLS %x: got %+v", version, a)
		}
		s.Close()
	}
}

// A server that speaks no TLS on the port is told apart from one that closes.
func TestNotTLS(t *testing.T) {
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			c.Read(make([]byte, 1))
			io.WriteString(c, failing(400))
			c.Close()
		}
	}()
	ended := make(chan Attempt, 100)
	s := NewSender(Webhook{URL: "https://" + l.Addr().String()}, Options{OnAttempt: func(a Attempt) { ended <- a }})
	defer s.Close()
	s.Send([]byte(inChat(1, 1)))
	if a := <-ended; a.Err == nil || a.Err.Error() != "SSL error {error:0A00010B:SSL routines::wrong version number}" {
		t.Errorf("got %v", a.Err)
	}
}

// Many queues at once over real connections: everything arrives once, each
// queue in order.
func TestLoad(t *testing.T) {
	cert, root := authority{}.issue(t, certTemplate("bot.example.com"))
	w := listen(t, serverConfig(cert))
	var l log
	s := NewSender(Webhook{URL: "https://bot.example.com/", MaxConnections: 8, RootCAs: pool(root.cert)},
		Options{Dial: w.dial, OnAttempt: l.add})
	defer s.Close()
	const updates, chats = 2000, 20
	for i := range updates {
		s.Send(Message(int64(i), int64(1+i%chats), "hello"))
	}
	wait(t, s)
	last := make(map[int64]int64)
	for _, a := range l.all() {
		chat := a.UpdateID % chats
		if before, ok := last[chat]; ok && a.UpdateID != before+chats || !a.Delivered {
			t.Fatalf("%d follows %d: %+v", a.UpdateID, before, a)
		}
		last[chat] = a.UpdateID
	}
	if stats := s.Stats(); stats.Delivered != updates || stats.Failed != 0 || stats.Connections > 8 {
		t.Errorf("got %+v", stats)
	}
}
