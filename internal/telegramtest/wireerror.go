package telegramtest

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

// wireError is a failure for which Telegram notes a text of its own.
type wireError struct {
	text  string
	cause error
}

func (e *wireError) Error() string { return e.text }
func (e *wireError) Unwrap() error { return e.cause }

var (
	// errClosed is the one failure of which Telegram notes nothing.
	errClosed = errors.New("connection closed without an answer")

	errReadTimeout  = &wireError{text: "Read timeout expired"}
	errWriteTimeout = &wireError{text: "Write timeout expired"}
)

func isTimeout(err error) bool {
	return errors.Is(err, os.ErrDeadlineExceeded) || errors.Is(err, context.DeadlineExceeded)
}

// dialError words why no connection came about.
func dialError(err error) error {
	var dns *net.DNSError
	switch {
	case errors.As(err, &dns):
		return &wireError{"Failed to resolve host: Name or service not known", err}
	case isTimeout(err):
		return &wireError{"Connection timed out", err}
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
		return &wireError{"SSL error {error:0A000086:SSL routines::certificate verify failed}", err}
	case errors.As(err, &header):
		return &wireError{"SSL error {error:0A00010B:SSL routines::wrong version number}", err}
	case isTimeout(err):
		return errReadTimeout
	}
	if e := readError(err); errors.Is(e, errClosed) {
		return e
	}
	return &wireError{fmt.Sprintf("SSL error {%v}", err), err}
}

// readError words why an answer could not be read to its end.
func readError(err error) error {
	var errno syscall.Errno
	var op *net.OpError
	switch {
	case isTimeout(err):
		return errReadTimeout
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.ErrClosedPipe), errors.Is(err, net.ErrClosed):
		return errClosed
	case errors.As(err, &errno):
		text := errno.Error()
		return &wireError{strings.ToUpper(text[:1]) + text[1:], err}
	case errors.As(err, &op) && op.Op == "remote error":
		return &wireError{fmt.Sprintf("SSL error {%v}", op.Err), err}
	}
	return &wireError{fmt.Sprintf("Bad Request: %v", err), err}
}

// tlsConfig returns the TLS settings for a webhook: TLS 1.2 or later, the host
// name in SNI, no ALPN. With roots of its own, those of an uploaded
// certificate, a name in the subject serves too where the certificate has no
// alternative names; crypto/tls does not look there, so it is checked here.
func tlsConfig(host string, roots *x509.CertPool) *tls.Config {
	c := &tls.Config{ServerName: host, MinVersion: tls.VersionTLS12, RootCAs: roots}
	if roots == nil {
		return c
	}
	c.InsecureSkipVerify = true // the chain and the name are verified below
	c.VerifyConnection = func(state tls.ConnectionState) error {
		leaf := state.PeerCertificates[0]
		opts := x509.VerifyOptions{Roots: roots, Intermediates: x509.NewCertPool()}
		for _, ca := range state.PeerCertificates[1:] {
			opts.Intermediates.AddCert(ca)
		}
		if _, err := leaf.Verify(opts); err != nil {
			return &tls.CertificateVerificationError{UnverifiedCertificates: state.PeerCertificates, Err: err}
		}
		err := leaf.VerifyHostname(host)
		if err != nil && matchCommonName(leaf, host) {
			return nil
		}
		return err
	}
	return c
}

func matchCommonName(leaf *x509.Certificate, host string) bool {
	if len(leaf.DNSNames)+len(leaf.IPAddresses)+len(leaf.EmailAddresses)+len(leaf.URIs) > 0 {
		return false
	}
	name := leaf.Subject.CommonName
	if suffix, ok := strings.CutPrefix(name, "*"); ok {
		_, rest, _ := strings.Cut(host, ".")
		return strings.EqualFold(suffix, "."+rest)
	}
	return strings.EqualFold(name, host)
}
