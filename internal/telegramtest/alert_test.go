package telegramtest

import (
	"crypto/tls"
	"errors"
	"net"
	"testing"
)

// A server that ends TLS with an alert is quoted in OpenSSL's words.
func TestAlert(t *testing.T) {
	w := listen(t, &tls.Config{GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return nil, errors.New("none") }})
	ended := make(chan Attempt, 100)
	s := NewSender(Webhook{URL: "https://bot.example.com/"}, Options{Dial: w.dial, OnAttempt: func(a Attempt) { ended <- a }})
	defer s.Close()
	s.Send([]byte(inChat(1, 1)))
	<-ended
	const want = "SSL error {error:0A000438:SSL routines::tlsv1 alert internal error}"
	if got := s.Stats().LastError; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestAlertText(t *testing.T) {
	for code, want := range map[int]string{
		40:  "SSL error {error:0A000410:SSL routines::sslv3 alert handshake failure}",
		70:  "SSL error {error:0A00042E:SSL routines::tlsv1 alert protocol version}",
		112: "SSL error {error:0A000458:SSL routines::tlsv1 unrecognized name}",
	} {
		if got, _ := alertText(&net.OpError{Op: "remote error", Err: tls.AlertError(code)}); got != want {
			t.Errorf("%d: got %q", code, got)
		}
	}
	if got, ok := alertText(errors.New("another error")); ok {
		t.Errorf("no alert: got %q", got)
	}
}
