package telegram

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
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

	ErrReadTimeout = &Error{Text: "Read timeout expired"}
	errEncoding    = &Error{Text: "Unsupported Media Type: unsupported content-encoding"}
	errTooLong     = &Error{Text: "Request Entity Too Large: too many parameters"}
)

// ReadError words what went wrong while an answer was read.
func ReadError(err error) error {
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded), errors.Is(err, context.DeadlineExceeded):
		return ErrReadTimeout
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.ErrClosedPipe), errors.Is(err, net.ErrClosed):
		return ErrClosed
	}
	if _, ok := errors.AsType[*net.OpError](err); ok {
		return err
	}
	return &Error{fmt.Sprintf("Bad Request: %v", err), err}
}
