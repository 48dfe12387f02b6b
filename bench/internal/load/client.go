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

// timeout bounds a handshake and an answer: Telegram waits that long.
const timeout = time.Minute

// client is one connection with one request in flight at most. It parses as
// little of an answer as possible: the generator shares the processors with the
// contenders.
type client struct {
	net.Conn
	raw syscall.RawConn
	r   *bufio.Reader
}

// dial connects from a given address, if it is valid.
func dial(address string, from netip.Addr, config *tls.Config) (*client, error) {
	d := net.Dialer{Timeout: timeout, Control: lateBind}
	if from.IsValid() {
		d.LocalAddr = net.TCPAddrFromAddrPort(netip.AddrPortFrom(from, 0))
	}
	conn, err := d.Dial("tcp4", address)
	if err != nil {
		return nil, err
	}
	_ = conn.SetDeadline(time.Now().Add(timeout))
	tc := tls.Client(conn, config)
	if err := tc.Handshake(); err != nil {
		_ = conn.Close()
		return nil, err
	}
	raw, err := conn.(*net.TCPConn).SyscallConn()
	return &client{tc, raw, bufio.NewReader(tc)}, err
}

// closed reports whether the server has closed the connection while no request
// was in flight. Only then is there something to read.
func (c *client) closed() (closed bool) {
	err := c.raw.Read(func(fd uintptr) bool {
		_, _, err := syscall.Recvfrom(int(fd), make([]byte, 1), syscall.MSG_PEEK|syscall.MSG_DONTWAIT)
		closed = !errors.Is(err, syscall.EAGAIN)
		return true
	})
	return closed || err != nil
}

// lateBind has the kernel choose the local port when it knows the destination.
// Otherwise connections to all destinations share one range of ports.
func lateBind(_, _ string, c syscall.RawConn) (err error) {
	const ipBindAddressNoPort = 24
	control := c.Control(func(fd uintptr) {
		err = syscall.SetsockoptInt(int(fd), syscall.IPPROTO_IP, ipBindAddressNoPort, 1)
	})
	return errors.Join(control, err)
}

// do writes a request and reads its answer. If keep is true, the connection can be
// used again.
func (c *client) do(request []byte) (status int, keep bool, err error) {
	_ = c.SetDeadline(time.Now().Add(timeout))
	if _, err := c.Write(request); err != nil {
		return 0, false, err
	}
	return readAnswer(c.r)
}

var (
	contentLength    = []byte("content-length")
	transferEncoding = []byte("transfer-encoding")
	connection       = []byte("connection")

	errAnswer = errors.New("not an HTTP/1.1 response")
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

// discardChunks reads a chunked body. No contender sends trailers.
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
