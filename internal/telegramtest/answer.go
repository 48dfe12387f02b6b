package telegramtest

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"compress/zlib"
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
)

// answer is what came back for a request, as Telegram reads it.
type answer struct {
	status int
	reason string
	header http.Header
	body   []byte
	call   *MethodCall
	err    error
	keep   bool // the connection can be used again

	length           int64 // -1 when there is no Content-Length
	transferEncoding string
}

// readAnswer reads the next answer. It differs from http.ReadResponse where
// Telegram does: a 1xx is an answer like any other, and without a length there
// is no body. What follows stays in r and begins the next answer.
func readAnswer(r *bufio.Reader) *answer {
	a := &answer{length: -1}
	head, err := readHead(r)
	if err == nil {
		err = a.parseHead(head)
	}
	if err == nil {
		err = a.readBody(r)
	}
	if err != nil {
		a.err, a.keep = err, false
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
			return "", &wireError{text: "Request Header Fields Too Large: total headers size exceeded"}
		}
	}
}

func (a *answer) parseHead(head string) error {
	lines := strings.Split(head, "\r\n")
	version, status, _ := strings.Cut(lines[0], " ")
	switch {
	case version == "HTTP/1.1":
		a.keep = true
	case version == "HTTP/1.0":
	case strings.HasPrefix(version, "HTTP"):
		return &wireError{text: "HTTP Version Not Supported"}
	default:
		return &wireError{text: "Not Implemented"}
	}
	code, reason, _ := strings.Cut(status, " ")
	a.status, _ = strconv.Atoi(code)
	a.reason = reason

	a.header = make(http.Header)
	for i := 1; i < len(lines); i++ {
		name, value, ok := strings.Cut(lines[i], ":")
		if !ok {
			return &wireError{text: "Bad Request"}
		}
		for i+1 < len(lines) && strings.IndexAny(lines[i+1], " \t") == 0 {
			i++
			value += lines[i]
		}
		a.addHeader(textproto.CanonicalMIMEHeaderKey(strings.TrimSpace(name)), strings.TrimSpace(value))
	}
	return nil
}

func (a *answer) addHeader(name, value string) {
	a.header.Add(name, value)
	switch name {
	case "Content-Length":
		if n, err := strconv.ParseInt(value, 10, 64); err == nil {
			a.length = n
		}
	case "Transfer-Encoding":
		a.transferEncoding = strings.ToLower(value)
	case "Connection":
		a.keep = !strings.EqualFold(value, "close")
	}
}

// readBody takes the body off r, decodes it and looks for a method in it.
func (a *answer) readBody(r *bufio.Reader) error {
	var raw io.Reader
	switch {
	case a.transferEncoding == "chunked":
		raw = &chunked{chunks: httputil.NewChunkedReader(r), r: r}
	case a.transferEncoding != "":
		return &wireError{text: "Unimplemented: unsupported transfer-encoding"}
	case a.length <= 0:
		return nil
	case a.length >= math.MaxInt32:
		return &wireError{text: fmt.Sprintf("Request Entity Too Large: content length is %d", math.MaxInt32)}
	default:
		raw = &exactly{r: r, n: a.length}
	}

	decoded := raw
	switch strings.ToLower(a.header.Get("Content-Encoding")) {
	case "", "none":
	case "gzip", "deflate":
		decoded = &inflate{r: bufio.NewReader(raw)}
	default:
		return &wireError{text: "Unsupported Media Type: unsupported content-encoding"}
	}

	contentType := strings.ToLower(a.header.Get("Content-Type"))
	form := strings.Contains(contentType, "application/x-www-form-urlencoded")
	parameters := form || strings.Contains(contentType, "application/json")

	body, err := io.ReadAll(io.LimitReader(decoded, maxParameters+1))
	if len(body) > maxParameters {
		if parameters {
			return &wireError{text: "Request Entity Too Large: too many parameters"}
		}
		body = body[:maxParameters]
		_, err = io.Copy(io.Discard, decoded)
	}
	if _, rawErr := io.Copy(io.Discard, raw); rawErr != nil {
		return readError(rawErr)
	}
	if err != nil {
		return &wireError{fmt.Sprintf("Bad Request: %v", err), err}
	}
	a.body = body
	if parameters && a.ok() {
		a.call = parseCall(body, form)
	}
	return nil
}

// retryAfter returns the pause that a failed answer asks for: whole seconds, at
// most an hour. Anything else, a date included, asks for none.
func (a *answer) retryAfter() time.Duration {
	if a.err != nil {
		return 0
	}
	value := a.header.Get("Retry-After")
	n, err := strconv.ParseInt(value, 10, 32)
	if err != nil || n < 0 || strconv.FormatInt(n, 10) != value {
		return 0
	}
	return min(time.Duration(n)*time.Second, maxRetryAfter)
}

// exactly reads n bytes. An end before is an error.
type exactly struct {
	r io.Reader
	n int64
}

func (e *exactly) Read(p []byte) (int, error) {
	if e.n == 0 {
		return 0, io.EOF
	}
	n, err := e.r.Read(p[:min(int64(len(p)), e.n)])
	e.n -= int64(n)
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	return n, err
}

// chunked takes the trailer off r too once the chunks have ended.
type chunked struct {
	chunks io.Reader
	r      *bufio.Reader
	err    error
}

func (c *chunked) Read(p []byte) (n int, err error) {
	if c.err != nil {
		return 0, c.err
	}
	n, c.err = c.chunks.Read(p)
	for errors.Is(c.err, io.EOF) {
		line, err := c.r.ReadString('\n')
		if errors.Is(err, io.EOF) {
			c.err = io.ErrUnexpectedEOF
		} else if err != nil {
			c.err = err
		} else if strings.TrimRight(line, "\r\n") == "" {
			break
		}
	}
	return n, c.err
}

// inflate decodes gzip and zlib, whichever comes: Telegram does not go by the
// header's value either.
type inflate struct {
	r       *bufio.Reader
	decoded io.Reader
}

func (f *inflate) Read(p []byte) (int, error) {
	if f.decoded == nil {
		magic, err := f.r.Peek(1)
		if err == nil && magic[0] == 0x1f {
			f.decoded, err = gzip.NewReader(f.r)
		} else if err == nil {
			f.decoded, err = zlib.NewReader(f.r)
		}
		if err != nil {
			return 0, err
		}
	}
	return f.decoded.Read(p)
}
