package telegram

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
)

// Error is a failure, in the words that getWebhookInfo has for it.
type Error string

func (e Error) Error() string { return string(e) }

const (
	ErrClosed      = Error("connection closed without an answer") // which getWebhookInfo does not show
	ErrReadTimeout = Error("Read timeout expired")

	errEncoding = Error("Unsupported Media Type: unsupported content-encoding")
	errTooLong  = Error("Request Entity Too Large: too many parameters")
)

// ReadError returns the error of reading an answer, in the words of getWebhookInfo.
func ReadError(err error) error {
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded):
		return ErrReadTimeout
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.ErrClosedPipe), errors.Is(err, net.ErrClosed):
		return ErrClosed
	}
	if _, ok := errors.AsType[*net.OpError](err); ok {
		return err
	}
	return Error(fmt.Sprintf("Bad Request: %v", err))
}
