package wire

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"syscall"
)

// Error is a failure for which Telegram notes a text of its own.
type Error struct {
	Text  string
	Cause error
}

func (e *Error) Error() string { return e.Text }
func (e *Error) Unwrap() error { return e.Cause }

var (
	// ErrClosed is the one failure of which Telegram notes nothing.
	ErrClosed = errors.New("connection closed without an answer")

	ErrReadTimeout  = &Error{Text: "Read timeout expired"}
	ErrWriteTimeout = &Error{Text: "Write timeout expired"}

	// ErrEncoding is for a Content-Encoding other than gzip and deflate, br
	// above all.
	ErrEncoding = &Error{Text: "Unsupported Media Type: unsupported content-encoding"}

	// ErrTooLong is for an answer of JSON or of a form over 1 MiB.
	ErrTooLong = &Error{Text: "Request Entity Too Large: too many parameters"}
)

func isTimeout(err error) bool {
	return errors.Is(err, os.ErrDeadlineExceeded) || errors.Is(err, context.DeadlineExceeded)
}

// dialError words why no connection came about.
func dialError(err error) error {
	var dns *net.DNSError
	switch {
	case errors.As(err, &dns):
		return &Error{"Failed to resolve host: Name or service not known", err}
	case isTimeout(err):
		return &Error{"Connection timed out", err}
	}
	return readError(err)
}

// tlsError words why the handshake failed. The details in braces are those of
// OpenSSL only for what happens most.
func tlsError(err error) error {
	var verify *tls.CertificateVerificationError
	var header tls.RecordHeaderError
	var unknown x509.UnknownAuthorityError
	var host x509.HostnameError
	var invalid x509.CertificateInvalidError
	switch {
	case errors.As(err, &verify), errors.As(err, &unknown), errors.As(err, &host), errors.As(err, &invalid):
		return &Error{"SSL error {error:0A000086:SSL routines::certificate verify failed}", err}
	case errors.As(err, &header):
		return &Error{"SSL error {error:0A00010B:SSL routines::wrong version number}", err}
	case isTimeout(err):
		return ErrReadTimeout
	}
	if e := readError(err); errors.Is(e, ErrClosed) {
		return e
	}
	return &Error{fmt.Sprintf("SSL error {%v}", err), err}
}

// readError words why an answer could not be read to its end.
func readError(err error) error {
	var errno syscall.Errno
	var op *net.OpError
	switch {
	case isTimeout(err):
		return ErrReadTimeout
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.ErrClosedPipe), errors.Is(err, net.ErrClosed):
		return ErrClosed
	case errors.As(err, &errno):
		text := errno.Error()
		return &Error{strings.ToUpper(text[:1]) + text[1:], err}
	case errors.As(err, &op) && op.Op == "remote error":
		return &Error{fmt.Sprintf("SSL error {%v}", op.Err), err}
	}
	return &Error{fmt.Sprintf("Bad Request: %v", err), err}
}
