package telegramwebhook

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/caddy-telegram/telegramwebhook/internal/telegram"
)

// TestRefusalDoesNotWaitForTheBody gets the answer to a forgery whose body never
// comes: net/http would wait for it.
func TestRefusalDoesNotWaitForTheBody(t *testing.T) {
	t.Parallel()
	port := freePort(t)
	c := startCaddy(t, globals()+fmt.Sprintf("https://localhost:%d {\n\ttelegram_webhook {env.TELEGRAM_SECRET}\n}\n", port))
	// Whether there is a header or none, the connection must end in the same way.
	for _, more := range []string{"Content-Length: 100\r\n", "Content-Length: 10000000\r\n", "Content-Length: 100\r\nExpect: 100-continue\r\n"} {
		var ends []bool
		for _, header := range []string{"", telegram.SecretHeader + ": wrong\r\n"} {
			conn, err := tls.Dial("tcp", fmt.Sprintf("localhost:%d", port), &tls.Config{RootCAs: c.roots()})
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			// Below Caddy's own bound of a minute, and far above ours of a second.
			_ = conn.SetDeadline(time.Now().Add(patience / 2))
			fmt.Fprintf(conn, "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n%s%s\r\n", header, more)
			resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
			if err != nil {
				t.Fatal(err)
			}
			resp.Body.Close()
			if resp.StatusCode != http.StatusForbidden {
				t.Errorf("%q: got %d, want 403", more, resp.StatusCode)
			}
			ends = append(ends, resp.Close)
		}
		if ends[0] != ends[1] {
			t.Errorf("%q: the connection is closed without a header: %v, with a wrong one: %v", more, ends[0], ends[1])
		}
	}
}

// TestUnannouncedBody bounds a body whose length is not in the header.
func TestUnannouncedBody(t *testing.T) {
	t.Parallel()
	const maximum = 1000
	got := make(chan int, 1)
	bot := startBot(t, func(_ http.ResponseWriter, r *http.Request) {
		n, _ := io.Copy(io.Discard, r.Body)
		got <- int(n)
	})
	port := freePort(t)
	c := startCaddy(t, globals()+fmt.Sprintf("https://localhost:%d {\n\ttelegram_webhook {env.TELEGRAM_SECRET} {\n\t\tmax_body %d\n\t}\n\treverse_proxy %s\n}\n", port, maximum, bot))
	for n, want := range map[int]int{maximum: http.StatusOK, maximum + 1: http.StatusRequestEntityTooLarge} {
		r := update(t, fmt.Sprintf("https://localhost:%d", port), rightSecret)
		r.Body, r.ContentLength = io.NopCloser(strings.NewReader(strings.Repeat("x", n))), -1
		if resp := do(t, c.client(), r); resp.status != want {
			t.Errorf("%d bytes: got %d, want %d", n, resp.status, want)
		}
		if passed := <-got; passed > maximum || want == http.StatusOK && passed != n {
			t.Errorf("%d bytes: the bot got %d", n, passed)
		}
	}
	c.out.wait(t, `"reason":"too_large"`)
}

// countingReader is a body that counts what is read of it.
type countingReader struct {
	r io.Reader
	n int
}

func (c *countingReader) Read(b []byte) (int, error) {
	n, err := c.r.Read(b)
	c.n += n
	return n, err
}

func (*countingReader) Close() error { return nil }
