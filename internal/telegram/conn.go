package telegram

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"net"
	"time"
)

// Dial opens a connection, as net.Dialer's DialContext does; network is "tcp4".
type Dial func(ctx context.Context, network, address string) (net.Conn, error)

// Conn is a connection to a webhook with at most one request under way.
type Conn struct {
	net.Conn
	R *bufio.Reader // unread bytes begin the next answer

	late chan error // the result of a write that its answer overtook, or nil
}

// TLSConfig returns the TLS settings for a webhook: TLS 1.2 or later, the host name in
// SNI, no ALPN.
func TLSConfig(host string) *tls.Config {
	return &tls.Config{ServerName: host, MinVersion: tls.VersionTLS12}
}

// Open connects to an address that Target.Address returned, with TLS unless config is nil.
func Open(ctx context.Context, dial Dial, address string, config *tls.Config) (*Conn, error) {
	nc, err := dial(ctx, "tcp4", address)
	if err != nil {
		return nil, dialError(err)
	}
	if config != nil {
		tc := tls.Client(nc, config)
		if err := tc.HandshakeContext(ctx); err != nil {
			_ = nc.Close()
			return nil, tlsError(err)
		}
		nc = tc
	}
	return &Conn{Conn: nc, R: bufio.NewReader(nc)}, nil
}

// Exchange writes a request and reads its answer, which may come before the peer has
// taken the whole request.
func (c *Conn) Exchange(request []byte, deadline time.Time) *Answer {
	if c.late != nil && <-c.late != nil {
		return &Answer{Err: ErrClosed}
	}
	c.late = nil
	_ = c.SetDeadline(deadline)
	written := make(chan error, 1)
	go func() {
		_, err := c.Write(request)
		written <- err
	}()
	a := ReadAnswer(c.R)
	if a.Err != nil && !errors.Is(a.Err, ErrClosed) { // Telegram writes the whole request all the same
		if <-written != nil && errors.Is(a.Err, ErrReadTimeout) {
			a.Err = ErrWriteTimeout
		}
		return a
	}
	select {
	case err := <-written:
		a.Keep = a.Keep && err == nil
	default:
		c.late = written
	}
	return a
}

// Close closes the connection and returns when nothing is written any more.
func (c *Conn) Close() error {
	err := c.Conn.Close()
	if c.late != nil {
		<-c.late
		c.late = nil
	}
	return err
}
