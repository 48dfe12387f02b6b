package load

import (
	"bufio"
	"bytes"
	"strconv"
	"strings"
	"testing"

	"github.com/caddy-telegram/telegramwebhook/internal/telegram"
	"github.com/caddy-telegram/telegramwebhook/internal/telegramtest"
)

func TestReadAnswer(t *testing.T) {
	const next = "HTTP/1.1 200 OK\r\n"
	for _, test := range []struct {
		name, bytes string
		status      int
		keep, ok    bool
	}{
		{"empty", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", 200, true, true},
		{"no length", "HTTP/1.1 403 Forbidden\r\nServer: x\r\n\r\n", 403, true, true},
		{"length", "HTTP/1.1 403 Forbidden\r\ncontent-length: 5\r\n\r\nhello", 403, true, true},
		{"chunked", "HTTP/1.1 401 No\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\nA\r\n0123456789\r\n0\r\n\r\n", 401, true, true},
		{"close", "HTTP/1.1 403 Forbidden\r\nConnection: close\r\nContent-Length: 0\r\n\r\n", 403, false, true},
		{"HTTP/1.0", "HTTP/1.0 200 OK\r\n\r\n", 0, false, false},
		{"no status", "HTTP/1.1 abc OK\r\n\r\n", 0, false, false},
		{"bad length", "HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n", 0, false, false},
		{"bad chunk", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n", 0, false, false},
		{"negative chunk", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-2\r\n", 0, false, false},
		{"cut off in the head", "HTTP/1.1 200 OK\r\nServer", 0, false, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			r := bufio.NewReader(strings.NewReader(test.bytes + next))
			if strings.HasPrefix(test.name, "cut off") {
				r = bufio.NewReader(strings.NewReader(test.bytes))
			}
			status, keep, err := readAnswer(r)
			if (err == nil) != test.ok {
				t.Fatalf("got %d, %v", status, err)
			}
			if !test.ok {
				return
			}
			if status != test.status || keep != test.keep {
				t.Errorf("got %d, keep %v", status, keep)
			}
			var rest bytes.Buffer
			_, _ = r.WriteTo(&rest)
			if rest.String() != next {
				t.Errorf("left %q to read", rest.String())
			}
		})
	}
}

// Requests are those that Telegram would send, each with an update_id of its own.
func TestRequest(t *testing.T) {
	const url = "https://bot.example.com:8443/hook"
	r, err := newRequest(url, "s")
	if err != nil {
		t.Fatal(err)
	}
	first := bytes.Clone(r.next())
	second := r.next()
	if bytes.Equal(first, second) || len(first) != len(second) {
		t.Error("two requests are the same, or not as long")
	}
	wireTarget, err := telegram.ParseTarget(url)
	if err != nil {
		t.Fatal(err)
	}
	id := lowestID + ids.Load()
	body := bytes.Replace(telegramtest.Message(lowestID, 204536821, text), []byte("100000000"), strconv.AppendInt(nil, id, 10), 1)
	if want := wireTarget.Request("s", body); !bytes.Equal(second, want) {
		t.Errorf("got\n%s\nwant\n%s", second, want)
	}
	if _, err := newRequest("ftp://x", "s"); err == nil {
		t.Error("no error for a URL that no webhook has")
	}
}
