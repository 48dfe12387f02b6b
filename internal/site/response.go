package site

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"time"

	"github.com/caddy-telegram/telegramwebhook/internal/telegram"
)

// maxBody bounds an answer's body in memory. Telegram takes no more than 51 MiB.
const maxBody = 64 << 20

// response keeps what a server answers to a request without a connection.
type response struct {
	header http.Header
	status int         // 0 before it is written
	sent   http.Header // as it was then
	body   bytes.Buffer
}

func (w *response) Header() http.Header { return w.header }

// WriteHeader takes the first status for the answer's, as Telegram does with a 1xx.
func (w *response) WriteHeader(status int) {
	if w.status == 0 {
		w.status, w.sent = status, w.header.Clone()
	}
}

func (w *response) Write(p []byte) (int, error) {
	w.WriteHeader(http.StatusOK)
	if w.body.Len()+len(p) > maxBody {
		return 0, http.ErrContentLength
	}
	return w.body.Write(p)
}

// answerOf returns the answer of a handler to a request, as Telegram reads it. After a
// panic, which is how a handler breaks off, there is none.
func answerOf(handler http.Handler, r *http.Request) (answer *telegram.Answer) {
	defer func() {
		if recover() != nil {
			answer = &telegram.Answer{Err: telegram.ErrClosed}
		}
	}()
	w := &response{header: make(http.Header)}
	handler.ServeHTTP(w, r)
	w.WriteHeader(http.StatusOK)
	if w.sent.Get("Content-Length") == "" {
		w.sent.Set("Content-Length", strconv.Itoa(w.body.Len()))
	}
	w.sent.Del("Transfer-Encoding")
	var head bytes.Buffer
	fmt.Fprintf(&head, "HTTP/1.1 %03d %s\r\n", w.status, http.StatusText(w.status))
	_ = w.sent.Write(&head)
	head.WriteString("\r\n")
	return telegram.ReadAnswer(bufio.NewReader(io.MultiReader(&head, &w.body)))
}

// The following methods are for http.ResponseController. Nothing waits for a client here.

func (w *response) Flush()                           { w.WriteHeader(http.StatusOK) }
func (w *response) EnableFullDuplex() error          { return nil }
func (w *response) SetReadDeadline(time.Time) error  { return nil }
func (w *response) SetWriteDeadline(time.Time) error { return nil }
