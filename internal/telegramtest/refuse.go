package telegramtest

import (
	"fmt"
	"strings"
	"time"

	"github.com/caddy-telegram/telegramwebhook/internal/telegram"
)

// refusals are the status lines that Telegram writes, by the first words of what it
// has to say about an answer that it cannot read.
var refusals = []struct{ prefix, status string }{
	{"Bad Request", "400 Bad Request"},
	{"Request Entity Too Large", "413 Request Entity Too Large"},
	{"Unsupported Media Type", "415 Unsupported Media Type"},
	{"Request Header Fields Too Large", "431 Request Header Fields Too Large"},
	{"Not Implemented", "501 Not Implemented"},
	{"Unimplemented", "501 Not Implemented"},
	{"HTTP Version Not Supported", "505 HTTP Version Not Supported"},
}

// refuse writes an HTTP answer to the server if Telegram could not read the server's.
// The connection is closed behind it.
func (c *conn) refuse(a *telegram.Answer) {
	if a.Err == nil {
		return
	}
	for _, r := range refusals {
		if strings.HasPrefix(a.Err.Error(), r.prefix) {
			_ = c.wc.SetWriteDeadline(time.Now().Add(c.h.s.opt.ReadTimeout))
			_, _ = fmt.Fprintf(c.wc, "HTTP/1.1 %s\r\nContent-Length: 0\r\n\r\n", r.status)
			return
		}
	}
}
