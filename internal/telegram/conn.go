package telegram

import (
	"bufio"
	"context"
	"crypto/tls"
	"net"
	"time"
)

// Dial opens a connection, as net.Dialer's DialContext does; network is "tcp4".
type Dial func(ctx context.Context, network, address string) (net.Conn, error)

// TLSConfig returns the TLS settings for a webhook: TLS 1.2 or later, the host name in
// SNI, no ALPN.
func TLSConfig(host string) *tls.Config {
	return &tls.Config{ServerName: host, MinVersion: tls.VersionTLS12}
}

// Open connects to an address that Target.Address returned, with TLS unless config is nil.
func Open(ctx context.Context, dial Dial, address string, config *tls.Config) (net.Conn, error) {
	conn, err := dial(ctx, "tcp4", address)
	if err != nil || config == nil {
		return conn, err
	}
	secured := tls.Client(conn, config)
	if err := secured.HandshakeContext(ctx); err != nil {
		_ = conn.Close()
		return nil, err
	}
	return secured, nil
}

// Exchange writes the only request on a connection and reads its answer, which may come
// before the peer has taken the whole request.
func Exchange(conn net.Conn, request []byte, deadline time.Time) *Answer {
	_ = conn.SetDeadline(deadline)
	go func() { _, _ = conn.Write(request) }() // until the caller closes the connection
	return ReadAnswer(bufio.NewReader(conn))
}
