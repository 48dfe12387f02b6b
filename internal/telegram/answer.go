package telegram

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"time"
)

// Answer is the answer to a request, as Telegram reads it.
type Answer struct {
	Status int // 0 if there was no answer that could be read
	Reason string
	Header http.Header
	Body   []byte // decoded; the first 1 MiB, of multipart all of at most 51
	Method string // the Bot API method that a 2xx calls, if any
	Err    error  // why there is no Status, or what was wrong with the answer
	Keep   bool   // the connection can be used again
}

// ReadAnswer reads the next answer. It differs from http.ReadResponse where Telegram does: a 1xx is an answer like any
// other, and without a length there is no body. The bytes behind it stay in r and begin the next answer.
func ReadAnswer(r *bufio.Reader) *Answer {
	a := &Answer{Header: make(http.Header)}
	err := a.readHead(r)
	if err == nil {
		err = a.readBody(r)
	}
	if err != nil {
		a.Err, a.Keep = err, false
	}
	return a
}

func (a *Answer) readHead(r *bufio.Reader) error {
	var head []byte
	for {
		part, err := r.ReadSlice('\n')
		head = append(head, part...)
		if before, ok := bytes.CutSuffix(head, []byte("\r\n\r\n")); ok {
			return a.parseHead(string(before))
		}
		if err != nil && !errors.Is(err, bufio.ErrBufferFull) {
			return ReadError(err)
		}
		if len(head) > maxAnswerHead {
			return Error("Request Header Fields Too Large: total headers size exceeded")
		}
	}
}

// unfold joins a header that goes on in the next line.
var unfold = strings.NewReplacer("\r\n ", " ", "\r\n\t", " ")

func (a *Answer) parseHead(head string) error {
	lines := strings.Split(unfold.Replace(head), "\r\n")
	version, status, _ := strings.Cut(lines[0], " ")
	switch {
	case version == "HTTP/1.1":
		a.Keep = true
	case version == "HTTP/1.0":
	case strings.HasPrefix(version, "HTTP"):
		return Error("HTTP Version Not Supported")
	default:
		return Error("Not Implemented")
	}
	status, a.Reason, _ = strings.Cut(status, " ")
	a.Status, _ = strconv.Atoi(status)
	for _, line := range lines[1:] {
		name, value, ok := strings.Cut(line, ":")
		if !ok {
			return Error("Bad Request")
		}
		a.Header.Add(strings.TrimSpace(name), strings.TrimSpace(value))
	}
	if connection := a.last("Connection"); connection != "" {
		a.Keep = !strings.EqualFold(connection, "close")
	}
	return nil
}

// last returns a header's value. Of a repeated header Telegram takes the last one; only of Retry-After the first.
func (a *Answer) last(name string) string {
	values := a.Header.Values(name)
	if len(values) == 0 {
		return ""
	}
	return values[len(values)-1]
}

// ContentType returns the body's type, by which Telegram looks for a call in it.
func (a *Answer) ContentType() string { return a.last("Content-Type") }

// RetryAfter returns the pause that a failed answer asks for: whole seconds, at most an
// hour. Anything else, a date included, asks for none.
func (a *Answer) RetryAfter() time.Duration {
	if a.Err != nil {
		return 0
	}
	value := a.Header.Get("Retry-After")
	n, err := strconv.ParseInt(value, 10, 32)
	if err != nil || n < 0 || strconv.FormatInt(n, 10) != value {
		return 0
	}
	return min(time.Duration(n)*time.Second, MaxRetryAfter)
}

// Delivered reports whether the answer confirms the update.
func (a *Answer) Delivered() bool {
	return a.Err == nil && 200 <= a.Status && a.Status <= 299
}

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
