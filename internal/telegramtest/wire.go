package telegramtest

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"syscall"
	"time"

	"github.com/caddy-telegram/telegramwebhook/internal/telegram"
)

const errWriteTimeout = telegram.Error("Write timeout expired")

// wireError is a failure in the words of getWebhookInfo, with what has caused it.
type wireError struct {
	text  string
	cause error
}

func (e *wireError) Error() string { return e.text }
func (e *wireError) Unwrap() error { return e.cause }

// wire is a connection to a webhook that is kept open, with at most one request under way.
type wire struct {
	net.Conn
	r *bufio.Reader // unread bytes begin the next answer

	late chan error // the result of a write that its answer overtook, or nil
}

// openWire connects. An error is in the words of getWebhookInfo.
func openWire(ctx context.Context, dial telegram.Dial, address string, config *tls.Config) (*wire, error) {
	dialed := false
	nc, err := telegram.Open(ctx, func(ctx context.Context, network, address string) (net.Conn, error) {
		nc, err := dial(ctx, network, address)
		dialed = err == nil
		return nc, err
	}, address, config)
	switch {
	case err == nil:
		return &wire{Conn: nc, r: bufio.NewReader(nc)}, nil
	case dialed:
		return nil, tlsError(err)
	}
	return nil, dialError(err)
}

// exchange writes a request and reads its answer, which may come before the peer has
// taken the whole request.
func (c *wire) exchange(request []byte, deadline time.Time) *telegram.Answer {
	if c.settle() != nil {
		return &telegram.Answer{Err: telegram.ErrClosed}
	}
	_ = c.SetDeadline(deadline)
	written := make(chan error, 1)
	go func() {
		_, err := c.Write(request)
		written <- err
	}()
	a := telegram.ReadAnswer(c.r)
	a.Err = words(a.Err)
	if a.Err != nil && !errors.Is(a.Err, telegram.ErrClosed) { // Telegram writes the whole request all the same
		if <-written != nil && errors.Is(a.Err, telegram.ErrReadTimeout) {
			a.Err = errWriteTimeout
		}
		return a
	}
	select {
	case err := <-written:
		a.Keep = a.Keep && err == nil
	default:
		c.late = written
	}
	return a
}

// Close closes the connection and returns when nothing is written any more.
func (c *wire) Close() error {
	err := c.Conn.Close()
	_ = c.settle()
	return err
}

// settle waits for the end of a write that its answer overtook.
func (c *wire) settle() error {
	if c.late == nil {
		return nil
	}
	err := <-c.late
	c.late = nil
	return err
}

func dialError(err error) error {
	if _, ok := errors.AsType[*net.DNSError](err); ok {
		return &wireError{"Failed to resolve host: Name or service not known", err}
	}
	if err = words(err); errors.Is(err, telegram.ErrReadTimeout) {
		return errWriteTimeout
	}
	return err
}

// tlsError words a failed handshake. The details in braces are OpenSSL's only for the
// most frequent failures.
func tlsError(err error) error {
	if _, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		return &wireError{"SSL error {error:0A000086:SSL routines::certificate verify failed}", err}
	}
	if _, ok := errors.AsType[tls.RecordHeaderError](err); ok {
		return &wireError{"SSL error {error:0A00010B:SSL routines::wrong version number}", err}
	}
	if e := words(err); errors.Is(e, telegram.ErrClosed) || errors.Is(e, telegram.ErrReadTimeout) {
		return e
	}
	return &wireError{fmt.Sprintf("SSL error {%v}", err), err}
}

// words words what went wrong with a connection.
func words(err error) error {
	if _, ok := errors.AsType[telegram.Error](err); ok || err == nil {
		return err
	}
	if errors.Is(err, os.ErrDeadlineExceeded) || errors.Is(err, context.DeadlineExceeded) {
		return telegram.ErrReadTimeout
	}
	if errno, ok := errors.AsType[syscall.Errno](err); ok {
		text := errno.Error()
		return &wireError{strings.ToUpper(text[:1]) + text[1:], err}
	}
	if op, ok := errors.AsType[*net.OpError](err); ok && op.Op == "remote error" {
		return &wireError{fmt.Sprintf("SSL error {%v}", op.Err), err}
	}
	return telegram.ReadError(err)
}
