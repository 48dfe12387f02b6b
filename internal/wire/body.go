package wire

import (
	"bufio"
	"compress/gzip"
	"compress/zlib"
	"errors"
	"io"
)

// exactly reads n bytes. An end before is an error.
type exactly struct {
	r io.Reader
	n int64
}

func (e *exactly) Read(p []byte) (int, error) {
	if e.n == 0 {
		return 0, io.EOF
	}
	n, err := e.r.Read(p[:min(int64(len(p)), e.n)])
	e.n -= int64(n)
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	return n, err
}

// chunked takes the end of the chunks off r: two bytes, whatever they are. Telegram
// knows no trailers, and so the rest of one begins the next answer.
type chunked struct {
	chunks io.Reader
	r      *bufio.Reader
	err    error
}

func (c *chunked) Read(p []byte) (n int, err error) {
	if c.err != nil {
		return 0, c.err
	}
	n, c.err = c.chunks.Read(p)
	if errors.Is(c.err, io.EOF) {
		if _, err := io.ReadFull(c.r, make([]byte, len("\r\n"))); err != nil {
			c.err = io.ErrUnexpectedEOF
		}
	}
	return n, c.err
}

// inflate decodes gzip and zlib, whichever comes: Telegram does not go by the
// header's value either.
type inflate struct {
	r       *bufio.Reader
	decoded io.Reader
}

func (f *inflate) Read(p []byte) (int, error) {
	if f.decoded == nil {
		magic, err := f.r.Peek(1)
		if err == nil && magic[0] == 0x1f {
			f.decoded, err = gzip.NewReader(f.r)
		} else if err == nil {
			f.decoded, err = zlib.NewReader(f.r)
		}
		if err != nil {
			return 0, err
		}
	}
	return f.decoded.Read(p)
}
