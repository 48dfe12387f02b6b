package deliver

import (
	"cmp"
	"fmt"
	"net/http"
	"regexp"
	"strconv"
	"time"

	"github.com/caddy-telegram/telegramwebhook/internal/telegram"
)

const (
	defaultHSTS       = "max-age=31536000" // a year
	defaultRetryAfter = 5 * time.Second
	defaultMaxBody    = 1 << 20
	minMaxBody        = 512 << 10
)

// Rules holds the settings that apply to every answer of a webhook.
type Rules struct {
	// HSTS is the value of Strict-Transport-Security; empty for none.
	HSTS string

	// RetryAfter is sent when the bot cannot be reached, in whole seconds; empty for
	// none. Telegram honours it instead of its growing back-off.
	RetryAfter string

	// MaxBody is the largest accepted body, in bytes.
	MaxBody int64
}

var validHSTS = regexp.MustCompile(`(?i)^max-age=[0-9]{1,10}( *; *[a-z-]+)*$`)

// NewRules checks the configured values and fills in the defaults. hsts is a header value
// or "off"; a negative retryAfter means none.
func NewRules(hsts string, retryAfter time.Duration, maxBody int64) (Rules, error) {
	hsts, wait, size := cmp.Or(hsts, defaultHSTS), cmp.Or(retryAfter, defaultRetryAfter), cmp.Or(maxBody, defaultMaxBody)
	switch {
	case size < minMaxBody:
		return Rules{}, fmt.Errorf("max_body: %d bytes are less than 512KiB, which Telegram's longest update has", size)
	case hsts != "off" && !validHSTS.MatchString(hsts):
		return Rules{}, fmt.Errorf(`hsts: %s is neither "off" nor a value such as "max-age=31536000; includeSubDomains"`, telegram.Quote(hsts))
	case wait > 0 && (wait < time.Second || wait > telegram.MaxRetryAfter || wait%time.Second != 0):
		return Rules{}, fmt.Errorf("retry_after: %s is not in whole seconds from 1s to 1h, which is what Telegram honours", wait)
	}
	rules := Rules{MaxBody: max(size, telegram.MaxUpdate)} // MaxUpdate is a few bytes more than 512 KiB
	if hsts != "off" {
		rules.HSTS = hsts
	}
	if wait > 0 {
		rules.RetryAfter = strconv.Itoa(int(wait / time.Second))
	}
	return rules, nil
}

// Refuse answers a request with a bare status that reveals nothing about the server.
func (rules Rules) Refuse(w http.ResponseWriter, r *http.Request, status int) {
	header := w.Header()
	delete(header, "Server")
	delete(header, "Alt-Svc")
	if rules.HSTS != "" {
		header.Set("Strict-Transport-Security", rules.HSTS)
	}
	switch status {
	case http.StatusServiceUnavailable:
		rules.setRetryAfter(header)
	case http.StatusMethodNotAllowed:
		header.Set("Allow", http.MethodPost)
	}
	if r.ProtoMajor == 1 && r.ContentLength != 0 {
		// net/http reads the rest of the body before it sends the answer, and a stranger
		// may withhold it. Without the deadline, the answer waits longer.
		_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(time.Second))
	}
	w.WriteHeader(status)
}
