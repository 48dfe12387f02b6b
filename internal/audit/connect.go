package audit

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"syscall"
	"time"

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
		config.RootCAs, config.InsecureSkipVerify = a.Roots, !verify
	}
	return telegram.Open(ctx, a.Dial, t.Address(ip.String()), config)
}

// send sends an update that bots ignore: it has an id and nothing else. An empty
// secret is not sent. The right one is sent only if the certificate is trusted,
// which may have changed since it was checked.
func (a *audit) send(ctx context.Context, t telegram.Target, secret string) *telegram.Answer {
	update := fmt.Appendf(nil, `{"update_id":%d}`, telegram.SampleID())
	return a.exchange(ctx, t, t.Request(secret, update), secret != "" && secret == a.Secret && !a.Insecure)
}

// exchange makes a request on a connection of its own.
func (a *audit) exchange(ctx context.Context, t telegram.Target, request []byte, verify bool) *telegram.Answer {
	if request == nil {
		return &telegram.Answer{Err: fmt.Errorf("the url is so long that request line and headers have more than %d bytes, so Telegram sends nothing", telegram.MaxHead)}
	}
	conn, err := a.connect(ctx, a.addresses[0], t, verify)
	if err != nil {
		return &telegram.Answer{Err: err}
	}
	defer conn.Close()
	return telegram.Exchange(conn, request, time.Now().Add(telegram.Timeout))
}

// remedyFor adds to the remedy for a connection that was dropped: an audit is
// refused so often that the listener wrapper may penalize its address.
func remedyFor(err error, remedy string) string {
	if errors.Is(err, telegram.ErrClosed) || errors.Is(err, io.EOF) || errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE) {
		return remedy + "; if `penalty` or a firewall drops this address, wait 10 minutes, or audit from elsewhere"
	}
	return remedy
}
