package telegram

import (
	"bufio"
	"bytes"
	"cmp"
	"compress/gzip"
	"compress/zlib"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"mime"
	"mime/multipart"
	"net/http/httputil"
	"net/url"
	"strconv"
	"strings"

	"github.com/tidwall/gjson"
)

// readBody takes the body off r, decodes it and looks for a call in it.
func (a *Answer) readBody(r *bufio.Reader) error {
	encoding := strings.ToLower(a.last("Transfer-Encoding"))
	length, _ := strconv.ParseInt(a.last("Content-Length"), 10, 64) // 0 if it is absent
	limited := &io.LimitedReader{R: r, N: length}
	var raw io.Reader = limited
	switch {
	case encoding == "chunked":
		raw, limited.N = httputil.NewChunkedReader(r), 0
	case encoding != "":
		return Error("Unimplemented: unsupported transfer-encoding")
	case length <= 0:
		return nil
	case length >= math.MaxInt32:
		return Error(fmt.Sprintf("Request Entity Too Large: content length is %d", math.MaxInt32))
	}

	body, err := a.decode(raw)
	if errors.Is(err, errEncoding) || errors.Is(err, errTooLong) {
		return err
	}
	_, rawErr := io.Copy(io.Discard, raw)
	if rawErr == nil && encoding == "chunked" {
		// The empty line. Telegram knows no trailers: the rest of one, behind its first
		// two bytes, begins the next answer.
		_, rawErr = io.ReadFull(r, make([]byte, len("\r\n")))
	}
	switch {
	case rawErr != nil:
		return ReadError(rawErr)
	case limited.N > 0:
		return ErrClosed
	}
	if err != nil {
		code := -3 // not what zlib makes
		if errors.Is(err, io.ErrUnexpectedEOF) {
			code = -5 // not all of it
		}
		return Error(fmt.Sprintf("Bad Request: zlib error %d", code))
	}
	a.Body = body
	if err = a.findMethod(); errors.Is(err, io.ErrUnexpectedEOF) { // Telegram waits for more
		_, err = io.Copy(io.Discard, r)
		return ReadError(cmp.Or(err, io.EOF))
	} else if err != nil {
		return Error(fmt.Sprintf("Bad Request: %v", err))
	}
	return nil
}

// decode returns the body without its Content-Encoding. The length of JSON and of a form
// is limited, and so is multipart here: Telegram would take more, and then refuse a file
// of over 50 MiB. Of a body that cannot hold a call the beginning is kept.
func (a *Answer) decode(raw io.Reader) ([]byte, error) {
	switch strings.ToLower(a.last("Content-Encoding")) {
	case "", "none":
	case "gzip", "deflate":
		var err error
		if raw, err = inflate(bufio.NewReader(raw)); err != nil {
			return nil, err
		}
	default:
		return nil, errEncoding
	}
	t := strings.ToLower(a.last("Content-Type"))
	isMultipart, most := strings.Contains(t, multipartType), int64(maxParameters)
	if isMultipart {
		most += maxFiles
	}
	body, err := io.ReadAll(io.LimitReader(raw, most+1))
	if int64(len(body)) <= most {
		return body, err
	}
	if isMultipart || strings.Contains(t, jsonType) || strings.Contains(t, formType) {
		return nil, errTooLong
	}
	_, err = io.Copy(io.Discard, raw)
	return body[:maxParameters], err
}

// inflate decodes gzip and zlib. Telegram does not go by the header's value either.
func inflate(r *bufio.Reader) (io.Reader, error) {
	switch magic, err := r.Peek(1); {
	case err != nil:
		return r, nil // reading it returns the same error
	case magic[0] == 0x1f:
		return gzip.NewReader(r)
	}
	return zlib.NewReader(r)
}

// The types of an answer in which Telegram looks for a Bot API call.
const (
	jsonType      = "application/json"
	formType      = "application/x-www-form-urlencoded"
	multipartType = "multipart/form-data"
)

// Runs reports whether Telegram carries out a method that an answer calls. Some methods
// must be called in a request of their own.
func Runs(method string) bool {
	method = strings.ToLower(method)
	switch method {
	case "", "setwebhook", "deletewebhook", "close", "logout":
		return false
	}
	return !strings.HasPrefix(method, "get")
}

// findMethod sets the method that a 2xx calls. It fails only for malformed multipart. Of
// JSON, everything before an error counts.
func (a *Answer) findMethod() (err error) {
	switch t := strings.ToLower(a.last("Content-Type")); {
	case !a.Delivered():
	case strings.Contains(t, formType):
		values, _ := url.ParseQuery(string(a.Body))
		a.Method = values.Get("method")
	case strings.Contains(t, jsonType):
		a.Method = methodInJSON(a.Body)
	case strings.Contains(t, multipartType):
		a.Method, err = methodInMultipart(a.Body, a.last("Content-Type"))
	}
	return err
}

// methodInJSON takes the first member of that name, whatever comes behind it.
func methodInJSON(body []byte) string {
	root := gjson.ParseBytes(body)
	if !root.IsObject() {
		return ""
	}
	return root.Get("method").Str
}

// overlookedMethod returns a method that Telegram does not find because of the answer's
// type, or because it is in an array or a text.
func overlookedMethod(body []byte) string {
	var text string
	if json.Unmarshal(body, &text) == nil {
		body = []byte(text)
	}
	return methodInJSON(bytes.TrimLeft(body, "[ \t\r\n"))
}

func methodInMultipart(body []byte, contentType string) (method string, err error) {
	_, attributes, err := mime.ParseMediaType(contentType)
	if err != nil {
		return "", err
	}
	form, err := multipart.NewReader(bytes.NewReader(body), attributes["boundary"]).ReadForm(maxParameters + maxFiles)
	if err != nil {
		return "", err
	}
	return url.Values(form.Value).Get("method"), nil
}
