package audit

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"syscall"
	"time"

	"github.com/caddy-telegram/telegramwebhook/internal/status"
	"github.com/caddy-telegram/telegramwebhook/internal/telegram"
)

// connectTimeout is for the connection and the TLS handshake. An answer may take
// as long as Telegram waits.
const connectTimeout = 10 * time.Second

// connect opens a connection to a port of the host, with TLS if the target has it.
func (a *audit) connect(ctx context.Context, ip netip.Addr, t telegram.Target, verify bool) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, connectTimeout)
	defer cancel()
	var config *tls.Config
	if t.TLS {
		config = telegram.TLSConfig(t.ServerName())
		config.InsecureSkipVerify = true // verify replaces the verification
		if verify {
			config.VerifyConnection = a.verify
		}
	}
	return telegram.Open(ctx, a.Dial, t.Address(ip.String()), config)
}

// send sends an update that has an id and nothing else, so that a bot ignores it. An empty
// secret is not sent. The right one is sent only if the certificate is trusted, which may
// have changed since it was checked.
func (a *audit) send(ctx context.Context, t telegram.Target, secret string) *telegram.Answer {
	update := fmt.Appendf(nil, `{"update_id":%d}`, telegram.SampleID())
	request := t.Request(secret, update)
	if a.Status != nil && a.Status.AuditMark != "" {
		request = bytes.Replace(request, []byte("\r\n\r\n"), []byte("\r\n"+status.AuditHeader+": "+a.Status.AuditMark+"\r\n\r\n"), 1)
	}
	return a.exchange(ctx, t, request, secret != "" && secret == a.Secret && !a.Insecure)
}

// exchange makes a request on a connection of its own.
func (a *audit) exchange(ctx context.Context, t telegram.Target, request []byte, verify bool) *telegram.Answer {
	if len(request) == 0 {
		return &telegram.Answer{Err: fmt.Errorf("the url is too long: request line and headers have more than %d bytes, and Telegram sends no such request", telegram.MaxHead)}
	}
	conn, err := a.connect(ctx, a.addresses[0], t, verify)
	if err != nil {
		return &telegram.Answer{Err: err}
	}
	defer conn.Close()
	return telegram.Exchange(conn, request, time.Now().Add(telegram.Timeout))
}

// remedyFor adds to the remedy for a dropped connection that the listener wrapper may have
// penalized this address.
func remedyFor(err error, remedy string) string {
	if errors.Is(err, telegram.ErrClosed) || errors.Is(err, io.EOF) || errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE) {
		return remedy + "; if `penalty` or a firewall drops this address, wait 10 minutes, or audit from elsewhere"
	}
	return remedy
}
