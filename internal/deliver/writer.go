package deliver

import (
	"bufio"
	"context"
	"net"
	"net/http"
	"strings"
)

// writer passes an answer through byte for byte, except where Telegram would
// misunderstand it: it drops 1xx and trailers, turns 410 into 503, and adds HSTS.
type writer struct {
	http.ResponseWriter
	hsts        string
	kind        Kind
	status      int
	wroteHeader bool

	// If these are set, the answer is kept too, even if the client has disconnected.
	client context.Context
	answer *answer
}

// WriteHeader drops 1xx: Telegram takes such an answer for the final, failed one, and the
// real answer for that to its next request.
func (w *writer) WriteHeader(status int) {
	if w.wroteHeader || 100 <= status && status < 200 {
		return
	}
	w.wroteHeader = true
	header := w.Header()
	if w.answer != nil {
		w.answer.status, w.answer.contentType, w.answer.contentEncoding = status, header.Get("Content-Type"), header.Get("Content-Encoding")
	}
	switch {
	case w.client != nil && w.client.Err() != nil:
		status = clientClosed
	case status == http.StatusGone:
		w.kind, status = Gone, http.StatusServiceUnavailable
	case status < 100 || status > 999:
		status = http.StatusBadGateway // an invalid status, on which the server would panic
	}
	w.status = status
	w.dropTrailers()
	if w.hsts != "" {
		header.Set("Strict-Transport-Security", w.hsts) // replaces every value from the bot
	}
	w.ResponseWriter.WriteHeader(status)
}

// Write does not fail if the answer is kept: Telegram sends the update again to get it.
func (w *writer) Write(b []byte) (int, error) {
	w.WriteHeader(http.StatusOK)
	n, err := w.ResponseWriter.Write(b)
	if w.answer != nil {
		w.answer.add(b)
		return len(b), nil
	}
	return n, err
}

// FlushError flushes the written data, after the status. Like Write, it does not fail if the answer is kept.
func (w *writer) FlushError() error {
	w.WriteHeader(http.StatusOK)
	err := http.NewResponseController(w.ResponseWriter).Flush()
	if w.answer != nil {
		return nil
	}
	return err
}

// Hijack always fails: a bot that answers 101 unasked would take over the connection, and
// Telegram would get no answer that it understands.
func (*writer) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	return nil, nil, http.ErrNotSupported
}

// Unwrap supports http.ResponseController.
func (w *writer) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// dropTrailers removes the announced trailers, and those that were added later: Telegram
// takes a trailer for the start of the next answer.
func (w *writer) dropTrailers() {
	header := w.Header()
	delete(header, "Trailer")
	for name := range header {
		if strings.HasPrefix(name, http.TrailerPrefix) {
			delete(header, name)
		}
	}
}
