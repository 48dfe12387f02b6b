package wire

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"net/http/httputil"
	"net/textproto"
	"strconv"
	"strings"
	"time"
)

const (
	maxAnswerHeader = 256 << 10

	// maxParameters is the limit of an answer with a method in it, decoded. Of
	// other answers this much is kept, and no limit is put on them.
	maxParameters = 1 << 20

	maxRetryAfter = time.Hour
)

// Answer is what came back for a request, as Telegram reads it.
type Answer struct {
	Status int // 0 when there was no answer that could be read
	Reason string
	Header http.Header
	Body   []byte // decoded, the first 1 MiB

	// Call is the Bot API call that the answer makes, if it is a 2xx and makes
	// one.
	Call *MethodCall

	// Err is why there is no Status, or what was wrong with the answer.
	Err error

	Keep bool // the connection can be used again

	length           int64 // -1 when there is no Content-Length
	transferEncoding string
}

// ReadAnswer reads the next answer. It differs from http.ReadResponse where
// Telegram does: a 1xx is an answer like any other, and without a length there
// is no body. What follows stays in r and begins the next answer.
func ReadAnswer(r *bufio.Reader) *Answer {
	a := &Answer{length: -1}
	head, err := readHead(r)
	if err == nil {
		err = a.parseHead(head)
	}
	if err == nil {
		err = a.readBody(r)
	}
	if err != nil {
		a.Err, a.Keep = err, false
	}
	return a
}

func readHead(r *bufio.Reader) (string, error) {
	var head []byte
	for {
		part, err := r.ReadSlice('\n')
		head = append(head, part...)
		if before, ok := bytes.CutSuffix(head, []byte("\r\n\r\n")); ok {
			return string(before), nil
		}
		if err != nil && !errors.Is(err, bufio.ErrBufferFull) {
			return "", readError(err)
		}
		if len(head) > maxAnswerHeader {
			return "", &Error{Text: "Request Header Fields Too Large: total headers size exceeded"}
		}
	}
}

func (a *Answer) parseHead(head string) error {
	lines := strings.Split(head, "\r\n")
	version, status, _ := strings.Cut(lines[0], " ")
	switch {
	case version == "HTTP/1.1":
		a.Keep = true
	case version == "HTTP/1.0":
	case strings.HasPrefix(version, "HTTP"):
		return &Error{Text: "HTTP Version Not Supported"}
	default:
		return &Error{Text: "Not Implemented"}
	}
	code, reason, _ := strings.Cut(status, " ")
	a.Status, _ = strconv.Atoi(code)
	a.Reason = reason

	a.Header = make(http.Header)
	for i := 1; i < len(lines); i++ {
		name, value, ok := strings.Cut(lines[i], ":")
		if !ok {
			return &Error{Text: "Bad Request"}
		}
		for i+1 < len(lines) && strings.IndexAny(lines[i+1], " \t") == 0 {
			i++
			value += lines[i]
		}
		a.addHeader(textproto.CanonicalMIMEHeaderKey(strings.TrimSpace(name)), strings.TrimSpace(value))
	}
	return nil
}

func (a *Answer) addHeader(name, value string) {
	a.Header.Add(name, value)
	switch name {
	case "Content-Length":
		if n, err := strconv.ParseInt(value, 10, 64); err == nil {
			a.length = n
		}
	case "Transfer-Encoding":
		a.transferEncoding = strings.ToLower(value)
	case "Connection":
		a.Keep = !strings.EqualFold(value, "close")
	}
}

// readBody takes the body off r, decodes it and looks for a method in it.
func (a *Answer) readBody(r *bufio.Reader) error {
	var raw io.Reader
	switch {
	case a.transferEncoding == "chunked":
		raw = &chunked{chunks: httputil.NewChunkedReader(r), r: r}
	case a.transferEncoding != "":
		return &Error{Text: "Unimplemented: unsupported transfer-encoding"}
	case a.length <= 0:
		return nil
	case a.length >= math.MaxInt32:
		return &Error{Text: fmt.Sprintf("Request Entity Too Large: content length is %d", math.MaxInt32)}
	default:
		raw = &exactly{r: r, n: a.length}
	}

	decoded := raw
	switch strings.ToLower(a.Header.Get("Content-Encoding")) {
	case "", "none":
	case "gzip", "deflate":
		decoded = &inflate{r: bufio.NewReader(raw)}
	default:
		return ErrEncoding
	}

	contentType := strings.ToLower(a.Header.Get("Content-Type"))
	form := strings.Contains(contentType, "application/x-www-form-urlencoded")
	parameters := form || strings.Contains(contentType, "application/json")

	body, err := io.ReadAll(io.LimitReader(decoded, maxParameters+1))
	if len(body) > maxParameters {
		if parameters {
			return ErrTooLong
		}
		body = body[:maxParameters]
		_, err = io.Copy(io.Discard, decoded)
	}
	if _, rawErr := io.Copy(io.Discard, raw); rawErr != nil {
		return readError(rawErr)
	}
	if err != nil {
		return &Error{fmt.Sprintf("Bad Request: %v", err), err}
	}
	a.Body = body
	if parameters && a.Delivered() {
		a.Call = parseCall(body, form)
	}
	return nil
}

// RetryAfter returns the pause that a failed answer asks for: whole seconds, at
// most an hour. Anything else, a date included, asks for none.
func (a *Answer) RetryAfter() time.Duration {
	if a.Err != nil {
		return 0
	}
	value := a.Header.Get("Retry-After")
	n, err := strconv.ParseInt(value, 10, 32)
	if err != nil || n < 0 || strconv.FormatInt(n, 10) != value {
		return 0
	}
	return min(time.Duration(n)*time.Second, maxRetryAfter)
}

// Unread reports whether the answer may have had a body that Telegram did not
// look for, since nothing says how long it is.
func (a *Answer) Unread() bool {
	return a.Err == nil && a.length < 0 && a.transferEncoding == "" && a.Header.Get("Content-Type") != ""
}

// Delivered reports whether an answer confirms the update.
func (a *Answer) Delivered() bool {
	return a.Err == nil && 200 <= a.Status && a.Status <= 299
}

// Failure returns what Telegram notes as the last error. It notes nothing when
// the connection was closed without an answer.
func (a *Answer) Failure() string {
	switch {
	case errors.Is(a.Err, ErrClosed):
		return ""
	case a.Err != nil:
		return a.Err.Error()
	}
	return fmt.Sprintf("Wrong response from the webhook: %d %s", a.Status, a.Reason)
}
