package wire

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"net"
	"time"
)

// Timeout is how long the whole answer may take from the written request.
const Timeout = time.Minute

// Dial opens the raw connection, as net.Dialer's DialContext does; network is
// "tcp4".
type Dial func(ctx context.Context, network, address string) (net.Conn, error)

// Conn is a connection to a webhook with at most one request under way.
type Conn struct {
	net.Conn
	R *bufio.Reader // what is not read begins the next answer

	late chan error // result of a write that its answer overtook, or nil
}

// Open dials an address, as Target.Address tells it, and makes TLS unless config
// is nil.
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

// Exchange writes a request and reads its answer.
func (c *Conn) Exchange(request []byte, timeout time.Duration) *Answer {
	if c.late != nil && <-c.late != nil {
		return &Answer{Err: ErrClosed}
	}
	written := c.write(request, timeout)
	a := ReadAnswer(c.R)
	unwritten := true
	select {
	case err := <-written:
		// With an answer in hand it does not matter that the peer did not take
		// the whole request, except that nothing more can be sent.
		a.Keep = a.Keep && err == nil
		unwritten = err != nil
	default:
		c.late = written
	}
	if unwritten && errors.Is(a.Err, ErrReadTimeout) {
		a.Err = ErrWriteTimeout
	}
	return a
}

// write sends a request and sets the deadline for its answer. The answer is read
// meanwhile: a peer may give it before it took the whole request.
func (c *Conn) write(request []byte, timeout time.Duration) chan error {
	c.late = nil
	_ = c.SetDeadline(time.Now().Add(timeout))
	written := make(chan error, 1)
	go func() {
		_, err := c.Write(request)
		written <- err
	}()
	return written
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
