package telegramtest

import (
	"bufio"
	"context"
	"crypto/tls"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
)

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
