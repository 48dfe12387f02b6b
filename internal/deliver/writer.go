package deliver

import (
	"bufio"
	"errors"
	"io"
	"net"
	"net/http"
	"sync/atomic"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

const hstsHeader = "Strict-Transport-Security"

// writer passes an answer through byte for byte, but for what Telegram would
// misunderstand: it holds 1xx back, turns 410 into 503, and adds HSTS.
type writer struct {
	caddyhttp.ResponseWriterWrapper
	hsts        string
	status      int
	gone        bool
	wroteHeader bool
}

func newWriter(w http.ResponseWriter, hsts string) *writer {
	// What the site has already set is its own policy and stays.
	if site := w.Header().Get(hstsHeader); site != "" && hsts != "" {
		hsts = site
	}
	return &writer{ResponseWriterWrapper: caddyhttp.ResponseWriterWrapper{ResponseWriter: w}, hsts: hsts}
}

func (w *writer) kind() Kind {
	if w.gone {
		return Gone
	}
	return Answered
}

// WriteHeader holds back 1xx: Telegram takes one as the final, failed answer,
// and the real one as the answer to its next request.
func (w *writer) WriteHeader(status int) {
	if w.wroteHeader || 100 <= status && status < 200 {
		return
	}
	w.wroteHeader = true
	switch {
	case status == http.StatusGone:
		w.gone = true
		status = http.StatusServiceUnavailable
	case status < 100 || status > 999:
		status = http.StatusBadGateway // no status at all, which the server would panic over
	}
	w.status = status
	if w.hsts != "" {
		w.Header().Set(hstsHeader, w.hsts) // one value, whatever the bot has set
	}
	w.ResponseWriterWrapper.WriteHeader(status)
}

func (w *writer) Write(b []byte) (int, error) {
	w.WriteHeader(http.StatusOK)
	return w.ResponseWriterWrapper.Write(b)
}

// ReadFrom keeps the server's way of copying a body without a buffer of ours.
func (w *writer) ReadFrom(r io.Reader) (int64, error) {
	w.WriteHeader(http.StatusOK)
	return w.ResponseWriterWrapper.ReadFrom(r)
}

// FlushError flushes what was written, the status first.
func (w *writer) FlushError() error {
	w.WriteHeader(http.StatusOK)
	return http.NewResponseController(w.ResponseWriter).Flush()
}

// Hijack is refused: a bot that answers 101 unasked would get the connection, and
// Telegram no answer that it understands.
func (*writer) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	return nil, nil, http.ErrNotSupported
}

var errTooLarge = errors.New("request body too large")

// limited is a request body that ends with an error where it gets too long.
type limited struct {
	io.ReadCloser
	left     int64
	exceeded atomic.Bool // read by the handler while the transport still reads
}

// limit bounds the body of r if its length was not announced. A longer announced
// one has been refused already.
func limit(r *http.Request, maximum int64) *limited {
	if r.ContentLength >= 0 {
		return nil
	}
	l := &limited{ReadCloser: r.Body, left: maximum}
	r.Body = l
	return l
}

func (l *limited) Read(b []byte) (int, error) {
	if l.exceeded.Load() {
		return 0, errTooLarge
	}
	n, err := l.ReadCloser.Read(b)
	l.left -= int64(n)
	if l.left < 0 {
		l.exceeded.Store(true)
		return 0, errTooLarge
	}
	return n, err
}

// Interface guards
var (
	_ http.ResponseWriter = (*writer)(nil)
	_ io.ReaderFrom       = (*writer)(nil)
)
