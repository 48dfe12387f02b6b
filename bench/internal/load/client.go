package load

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/netip"
	"strconv"
	"syscall"
	"time"
)

const (
	// patience is how long an answer may take: as long as Telegram waits.
	patience = time.Minute

	// haste is how long who is hasty waits for a connection.
	haste = 50 * time.Millisecond
)

// client is one connection with one request in flight at most. It reads of an
// answer only what it needs: the generator shares the machine with what it
// measures.
type client struct {
	net.Conn
	raw syscall.RawConn
	r   *bufio.Reader
}

// dial connects from an address, which is how a flood comes from several.
func dial(address string, from netip.Addr, timeout time.Duration, config *tls.Config) (*client, error) {
	d := net.Dialer{Timeout: timeout, Control: lateBind}
	if from.IsValid() {
		d.LocalAddr = net.TCPAddrFromAddrPort(netip.AddrPortFrom(from, 0))
	}
	conn, err := d.Dial("tcp4", address)
	if err != nil {
		return nil, err
	}
	_ = conn.SetDeadline(time.Now().Add(patience))
	tc := tls.Client(conn, config)
	if err := tc.Handshake(); err != nil {
		_ = conn.Close()
		return nil, err
	}
	raw, err := conn.(*net.TCPConn).SyscallConn()
	return &client{tc, raw, bufio.NewReader(tc)}, err
}

// closed reports whether the peer has closed the connection while nothing was
// asked: then there is its farewell to read, and otherwise nothing.
func (c *client) closed() (closed bool) {
	err := c.raw.Read(func(fd uintptr) bool {
		_, _, err := syscall.Recvfrom(int(fd), make([]byte, 1), syscall.MSG_PEEK|syscall.MSG_DONTWAIT)
		closed = !errors.Is(err, syscall.EAGAIN)
		return true
	})
	return closed || err != nil
}

// lateBind has the kernel choose a port only when it knows the destination:
// otherwise all destinations share one range of ports.
func lateBind(_, _ string, c syscall.RawConn) (err error) {
	const ipBindAddressNoPort = 24
	control := c.Control(func(fd uintptr) {
		err = syscall.SetsockoptInt(int(fd), syscall.IPPROTO_IP, ipBindAddressNoPort, 1)
	})
	return errors.Join(control, err)
}

// do writes a request and reads its answer. The connection can be used again if
// keep is true.
func (c *client) do(request []byte) (status int, keep bool, err error) {
	_ = c.SetDeadline(time.Now().Add(patience))
	if _, err := c.Write(request); err != nil {
		return 0, false, err
	}
	return readAnswer(c.r)
}

var (
	contentLength    = []byte("content-length")
	transferEncoding = []byte("transfer-encoding")
	connection       = []byte("connection")

	errAnswer = errors.New("not an answer in HTTP/1.1")
)

func readAnswer(r *bufio.Reader) (status int, keep bool, err error) {
	line, err := r.ReadSlice('\n')
	if err != nil {
		return 0, false, err
	}
	if len(line) < len("HTTP/1.1 200") || !bytes.HasPrefix(line, []byte("HTTP/1.1 ")) {
		return 0, false, errAnswer
	}
	if status, err = strconv.Atoi(string(line[9:12])); err != nil {
		return 0, false, errAnswer
	}
	length, chunked, keep := 0, false, true
	for {
		if line, err = r.ReadSlice('\n'); err != nil {
			return 0, false, err
		}
		name, value, ok := bytes.Cut(line, []byte(":"))
		if !ok {
			break // the empty line
		}
		value = bytes.TrimSpace(value)
		switch {
		case bytes.EqualFold(name, contentLength):
			if length, err = strconv.Atoi(string(value)); err != nil {
				return 0, false, errAnswer
			}
		case bytes.EqualFold(name, transferEncoding):
			chunked = bytes.EqualFold(value, []byte("chunked"))
		case bytes.EqualFold(name, connection):
			keep = !bytes.EqualFold(value, []byte("close"))
		}
	}
	if chunked {
		return status, keep, discardChunks(r)
	}
	_, err = r.Discard(length)
	return status, keep, err
}

// discardChunks reads a chunked body, without trailers: no contender has any.
func discardChunks(r *bufio.Reader) error {
	for {
		line, err := r.ReadSlice('\n')
		if err != nil {
			return err
		}
		size, err := strconv.ParseInt(string(bytes.TrimSpace(line)), 16, 32)
		if err != nil {
			return errAnswer
		}
		if _, err := io.CopyN(io.Discard, r, size+2); err != nil {
			return err
		}
		if size == 0 {
			return nil
		}
	}
}
