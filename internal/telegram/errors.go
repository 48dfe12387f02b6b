package telegram

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"syscall"
)

// Error is a failure, in the words that getWebhookInfo has for it.
type Error struct {
	Text  string
	Cause error
}

func (e *Error) Error() string { return e.Text }
func (e *Error) Unwrap() error { return e.Cause }

var (
	// ErrClosed is the one failure that getWebhookInfo does not show.
	ErrClosed = errors.New("connection closed without an answer")

	ErrReadTimeout  = &Error{Text: "Read timeout expired"}
	ErrWriteTimeout = &Error{Text: "Write timeout expired"}

	errEncoding = &Error{Text: "Unsupported Media Type: unsupported content-encoding"}
	errTooLong  = &Error{Text: "Request Entity Too Large: too many parameters"}
)

func dialError(err error) error {
	if _, ok := errors.AsType[*net.DNSError](err); ok {
		return &Error{"Failed to resolve host: Name or service not known", err}
	}
	if err = ReadError(err); errors.Is(err, ErrReadTimeout) {
		return ErrWriteTimeout
	}
	return err
}

// tlsError words a failed handshake. The details in braces are OpenSSL's only for the
// most frequent failures.
func tlsError(err error) error {
	if _, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		return &Error{"SSL error {error:0A000086:SSL routines::certificate verify failed}", err}
	}
	if _, ok := errors.AsType[tls.RecordHeaderError](err); ok {
		return &Error{"SSL error {error:0A00010B:SSL routines::wrong version number}", err}
	}
	if e := ReadError(err); errors.Is(e, ErrClosed) || errors.Is(e, ErrReadTimeout) {
		return e
	}
	return &Error{fmt.Sprintf("SSL error {%v}", err), err}
}

// ReadError words what went wrong with a connection.
func ReadError(err error) error {
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded), errors.Is(err, context.DeadlineExceeded):
		return ErrReadTimeout
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.ErrClosedPipe), errors.Is(err, net.ErrClosed):
		return ErrClosed
	}
	if errno, ok := errors.AsType[syscall.Errno](err); ok {
		text := errno.Error()
		return &Error{strings.ToUpper(text[:1]) + text[1:], err}
	}
	if op, ok := errors.AsType[*net.OpError](err); ok && op.Op == "remote error" {
		return &Error{fmt.Sprintf("SSL error {%v}", op.Err), err}
	}
	return &Error{fmt.Sprintf("Bad Request: %v", err), err}
}
