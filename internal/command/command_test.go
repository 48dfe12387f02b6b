package command

import (
	"bufio"
	"bytes"
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
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/spf13/cobra"
)

const rightSecret = "Kq3v9-Zt_7LwXb2RmYd5HsNc8GfJpQaE"

func TestMain(m *testing.M) {
	_ = os.Unsetenv(secretEnv) // what a developer may have set
	os.Exit(m.Run())
}

// result is what a command line came to.
type result struct {
	out, err string // what was written where
	failure  string // the error's text: "exiting with status 2", or what is told
}

// execute runs a command line as Caddy does. The command is the last name in it.
func execute(t *testing.T, cmd *cobra.Command, args []string, stdin string) result {
	t.Helper()
	root := &cobra.Command{Use: "caddy", SilenceUsage: true}
	root.AddCommand(cmd)
	var out, errs bytes.Buffer
	root.SetArgs(args)
	root.SetIn(strings.NewReader(stdin))
	root.SetOut(&out)
	root.SetErr(&errs)
	failure := ""
	if err := root.ExecuteContext(t.Context()); err != nil {
		failure = err.Error()
	}
	return result{out.String(), errs.String(), failure}
}

// command runs `caddy telegram-webhook`.
func command(t *testing.T, stdin string, args ...string) result {
	t.Helper()
	cmd := &cobra.Command{Use: "telegram-webhook <command>"}
	configure(cmd)
	return execute(t, cmd, append([]string{"telegram-webhook"}, args...), stdin)
}

// file writes content to a file of the test's own.
func file(t *testing.T, name, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// selfSigned is a certificate for 127.0.0.1, and its PEM form.
func selfSigned(t *testing.T) (tls.Certificate, string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "a webhook"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key},
		string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
}

// server answers every request with the same bytes, and closes.
type server struct {
	address  string
	url      string                   // without TLS
	requests chan string              // byte for byte
	states   chan tls.ConnectionState // one for each request
}

// serve listens on loopback: with TLS if there is a certificate. An empty answer
// closes the connection.
func serve(t *testing.T, cert *tls.Certificate, answer string) *server {
	t.Helper()
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	s := &server{
		address: l.Addr().String(), url: "http://" + l.Addr().String() + "/",
		requests: make(chan string, 10), states: make(chan tls.ConnectionState, 10),
	}
	if cert != nil {
		l = tls.NewListener(l, &tls.Config{Certificates: []tls.Certificate{*cert}, NextProtos: []string{"h2", "http/1.1"}})
	}
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go s.answer(c, answer)
		}
	}()
	return s
}

// got is the next request that has arrived; empty if none has. Whoever got an
// answer need not wait for it.
func (s *server) got() string {
	select {
	case r := <-s.requests:
		return r
	default:
		return ""
	}
}

func (s *server) answer(c net.Conn, answer string) {
	defer c.Close()
	r := bufio.NewReader(c)
	var head strings.Builder
	length := 0
	for !strings.HasSuffix(head.String(), "\r\n\r\n") {
		line, err := r.ReadString('\n')
		if err != nil {
			return
		}
		if value, ok := strings.CutPrefix(line, "Content-Length: "); ok {
			for _, digit := range strings.TrimSpace(value) {
				length = 10*length + int(digit-'0')
			}
		}
		head.WriteString(line)
	}
	body := make([]byte, length)
	if _, err := io.ReadFull(r, body); err != nil {
		return
	}
	if tc, ok := c.(*tls.Conn); ok {
		s.states <- tc.ConnectionState()
	}
	s.requests <- head.String() + string(body)
	_, _ = io.WriteString(c, answer)
}
