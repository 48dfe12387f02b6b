package telegram

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"compress/zlib"
	"fmt"
	"io"
	"strings"
	"testing"
)

const ok = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"

func zipped(s string) string {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	w.Write([]byte(s))
	w.Close()
	return b.String()
}

func deflated(s string) string {
	var b bytes.Buffer
	w := zlib.NewWriter(&b)
	w.Write([]byte(s))
	w.Close()
	return b.String()
}

// response is a 200 with a length, headers if any are given, and a body.
func response(body string, headers ...string) string {
	return fmt.Sprintf("HTTP/1.1 200 OK\r\n%sContent-Length: %d\r\n\r\n%s", strings.Join(headers, ""), len(body), body)
}

func TestReadAnswer(t *testing.T) {
	const (
		isJSON = "Content-Type: application/json\r\n"
		isGzip = "Content-Encoding: gzip\r\n"
	)
	big := strings.Repeat("x", maxParameters)
	for _, test := range []struct {
		name  string
		bytes string
		code  int
		body  string
		err   string
		keep  bool
		rest  string // what stays for the next answer; * is anything
	}{
		{"empty", ok, 200, "", "", true, ""},
		{"body", response("hi") + "more", 200, "hi", "", true, "more"},
		{"no length, no body", "HTTP/1.1 200 OK\r\nServer: x\r\n\r\nhi", 200, "", "", true, "hi"},
		{"no reason", "HTTP/1.1 204\r\n\r\n", 204, "", "", true, ""},
		{"100", "HTTP/1.1 100 Continue\r\n\r\n" + ok, 100, "", "", true, ok},
		{"102 with a body", "HTTP/1.1 102 Processing\r\nContent-Length: 2\r\n\r\nhi" + ok, 102, "hi", "", true, ok},
		{"close", "HTTP/1.1 200 OK\r\nConnection: Close\r\n\r\n", 200, "", "", false, ""},
		{"HTTP/1.0", "HTTP/1.0 200 OK\r\n\r\n", 200, "", "", false, ""},
		{"HTTP/1.0 kept", "HTTP/1.0 200 OK\r\nConnection: keep-alive\r\n\r\n", 200, "", "", true, ""},
		{"HTTP/2.0", "HTTP/2.0 200 OK\r\n\r\n", 0, "", "HTTP Version Not Supported", false, ""},
		{"not HTTP", "SSH-2.0-x\r\n\r\n", 0, "", "Not Implemented", false, ""},
		{"not a header", "HTTP/1.1 200 OK\r\nx\r\n\r\n", 200, "", "Bad Request", false, ""},
		{"chunked", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 1\r\n\r\n2\r\nhi\r\n3;x=y\r\n, o\r\n0\r\n\r\n" + ok, 200, "hi, o", "", true, ok},
		{"trailer", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\nX: y\r\n\r\n" + ok, 200, "hi", "", true, " y\r\n\r\n" + ok},
		{"bad chunks", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nhi\r\n\r\n", 200, "", "Bad Request: invalid byte in chunk length", false, "\r\n"},
		{"cut off in chunks", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhi", 200, "", ErrClosed.Error(), false, ""},
		{"cut off after the chunks", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n", 200, "", ErrClosed.Error(), false, ""},
		{"other transfer-encoding", "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n", 200, "", "Unimplemented: unsupported transfer-encoding", false, ""},
		{"cut off in the head", "HTTP/1.1 200 OK\r\n", 0, "", ErrClosed.Error(), false, ""},
		{"cut off in the body", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhi", 200, "", ErrClosed.Error(), false, ""},
		{"repeated length", "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nhi" + ok, 200, "hi", "", true, ok},
		{"repeated connection", "HTTP/1.1 200 OK\r\nConnection: close\r\nConnection: keep-alive\r\n\r\n", 200, "", "", true, ""},
		{"repeated encoding", response("hi", isGzip, "Content-Encoding: br\r\n"), 200, "", "Unsupported Media Type: unsupported content-encoding", false, "hi"},
		{"gzip", response(zipped("hi"), isGzip) + ok, 200, "hi", "", true, ok},
		{"deflate", response(deflated("hi"), "Content-Encoding: Deflate\r\n") + ok, 200, "hi", "", true, ok},
		{"gzip said to be deflate", response(zipped("hi"), "Content-Encoding: deflate\r\n"), 200, "hi", "", true, ""},
		{"not gzip", response("hi", isGzip), 200, "", "Bad Request: zlib error -3", false, ""},
		{"half of gzip", response(zipped("hi")[:15], isGzip), 200, "", "Bad Request: zlib error -5", false, ""},
		{"raw deflate", response("\xcb\xc8\x04\x00", "Content-Encoding: deflate\r\n"), 200, "", "Bad Request: zlib error -3", false, ""},
		{"br", response("hi", "Content-Encoding: br\r\n"), 200, "", "Unsupported Media Type: unsupported content-encoding", false, "hi"},
		{"br without a body", response("", "Content-Encoding: br\r\n"), 200, "", "", true, ""},
		{"1 MiB of JSON", response(big, isJSON), 200, big, "", true, ""},
		{"over 1 MiB of JSON", response(big+"x", isJSON), 200, "", "Request Entity Too Large: too many parameters", false, "*"},
		{"over 1 MiB of JSON, zipped", response(zipped(big+"x"), isJSON, isGzip), 200, "", "Request Entity Too Large: too many parameters", false, "*"},
		{"over 1 MiB of form", response(big+"x", "Content-Type: application/x-www-form-urlencoded\r\n"), 200, "", "Request Entity Too Large: too many parameters", false, "*"},
		{"over 1 MiB of text", response(big+"x") + ok, 200, big, "", true, ok},
		{"2 GiB", "HTTP/1.1 200 OK\r\nContent-Length: 2147483648\r\n\r\n", 200, "", "Request Entity Too Large: content length is 2147483647", false, ""},
		{"256 KiB of headers", "HTTP/1.1 200 OK\r\nX: " + strings.Repeat("x", 256<<10-30) + "\r\n\r\n", 200, "", "", true, ""},
		{"too many headers", "HTTP/1.1 200 OK\r\n" + strings.Repeat("X: "+strings.Repeat("x", 1000)+"\r\n", 270), 0, "", "Request Header Fields Too Large: total headers size exceeded", false, "*"},
	} {
		t.Run(test.name, func(t *testing.T) {
			r := bufio.NewReader(strings.NewReader(test.bytes))
			a := ReadAnswer(r)
			text := ""
			if a.Err != nil {
				text = a.Err.Error()
			}
			if a.Status != test.code || string(a.Body) != test.body || text != test.err || a.Keep != test.keep {
				t.Errorf("got %d, %d bytes, error %q, keep %v", a.Status, len(a.Body), text, a.Keep)
			}
			var rest bytes.Buffer
			r.WriteTo(&rest)
			if test.rest != "*" && rest.String() != test.rest {
				t.Errorf("rest %q", rest.String())
			}
		})
	}
}

func TestFoldedHeader(t *testing.T) {
	a := ReadAnswer(bufio.NewReader(strings.NewReader("HTTP/1.1 503 A b\r\nretry-after:\r\n 7\r\nX: y\r\n\r\n")))
	if a.RetryAfter().Seconds() != 7 || a.Header.Get("X") != "y" || a.Reason != "A b" {
		t.Errorf("got %+v", a)
	}
}

func TestMethod(t *testing.T) {
	const (
		isJSON = "Content-Type: application/json; charset=utf-8\r\n"
		isForm = "Content-Type: application/x-www-form-urlencoded\r\n"
		isPart = "Content-Type: multipart/form-data; boundary=b\r\n"

		parts = "--b\r\nContent-Disposition: form-data; name=\"photo\"; filename=\"a\"\r\n\r\nx\r\n" +
			"--b\r\nContent-Disposition: form-data; name=\"method\"\r\n\r\nsendPhoto\r\n--b--\r\n"
		body = `{"chat_id":5,"method":"sendMessage","text":"a \"b\"","x":{"y": [1]},"method":"later"}`
	)
	for _, test := range []struct{ name, answer, want string }{
		{"JSON", response(body, isJSON), "sendMessage"},
		{"JSON, zipped", response(zipped(body), isJSON, "Content-Encoding: gzip\r\n"), "sendMessage"},
		{"JSON, chunked", fmt.Sprintf("HTTP/1.1 201 Created\r\n%sTransfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\n", isJSON, len(body), body), "sendMessage"},
		{"JSON, broken behind", response(`{"method":"sendMessage","chat_id":5,`, isJSON), "sendMessage"},
		{"JSON, broken before", response(`{"chat_id":,"method":"sendMessage"}`, isJSON), ""},
		{"form", response("text=a+%22b%22&method=sendMessage&method=later&x=100%", isForm), "sendMessage"},
		{"multipart", response(parts, isPart), "sendPhoto"},
		{"multipart of over 1 MiB", response(parts[:len(parts)-4]+"\r\nContent-Disposition: form-data; name=\"b\"; filename=\"b\"\r\n\r\n"+strings.Repeat("x", maxParameters)+"\r\n--b--\r\n", isPart), "sendPhoto"},
		{"without a length", "HTTP/1.1 200 OK\r\n" + isJSON + "Connection: close\r\n\r\n" + body, ""},
		{"as text", response(body, "Content-Type: text/plain\r\n"), ""},
		{"no type", response(body), ""},
		{"failed", strings.Replace(response(body, isJSON), "200 OK", "500 No", 1), ""},
		{"no method", response(`{"ok":true}`, isJSON), ""},
		{"array", response(`["method"]`, isJSON), ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			a := ReadAnswer(bufio.NewReader(strings.NewReader(test.answer)))
			if a.Err != nil || a.Method != test.want {
				t.Errorf("got %q, %v, want %q", a.Method, a.Err, test.want)
			}
		})
	}
	for name, test := range map[string]struct{ answer, want string }{
		"multipart without a boundary": {response(parts, "Content-Type: multipart/form-data\r\n"), "Bad Request: "},
		"multipart without an end":     {response(parts[:len(parts)-5], isPart), ErrClosed.Error()}, // Telegram waits for it
	} {
		a := ReadAnswer(bufio.NewReader(strings.NewReader(test.answer)))
		if a.Delivered() || a.Err == nil || !strings.HasPrefix(a.Err.Error(), test.want) {
			t.Errorf("%s: got %v", name, a.Err)
		}
	}
}

// TestLongMultipart has files without an end, of which only so much is kept as may be files.
func TestLongMultipart(t *testing.T) {
	var files endless
	head := strings.NewReader("HTTP/1.1 200 OK\r\nContent-Type: multipart/form-data; boundary=b\r\nContent-Length: 2000000000\r\n\r\n")
	a := ReadAnswer(bufio.NewReader(io.MultiReader(head, &files)))
	if a.Err != errTooLong || len(a.Body) > 0 || files > 52<<20 {
		t.Errorf("got %v, %d bytes of %d", a.Err, len(a.Body), files)
	}
}

// endless counts what is read of it.
type endless int

func (e *endless) Read(p []byte) (int, error) {
	*e += endless(len(p))
	return len(p), nil
}

func TestRuns(t *testing.T) {
	for method, want := range map[string]bool{
		"sendMessage": true, "sendPhoto": true, "": false, "setWebhook": false, "deletewebhook": false, "close": false, "logOut": false, "GetMe": false,
	} {
		if got := Runs(method); got != want {
			t.Errorf("%q: got %v", method, got)
		}
	}
}
