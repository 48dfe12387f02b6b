package deliver

import (
	"cmp"
	"fmt"
	"regexp"
	"strconv"
	"time"

	"github.com/caddy-telegram/telegramwebhook/internal/telegram"
)

const (
	// DefaultHSTS is a year.
	DefaultHSTS = "max-age=31536000"

	defaultRetryAfter = 5 * time.Second
	defaultMaxBody    = 1 << 20
	minMaxBody        = 512 << 10
)

// Rules is what holds for every answer of a webhook.
type Rules struct {
	// HSTS is the value of Strict-Transport-Security; empty for none.
	HSTS string

	// RetryAfter is sent when the bot cannot be reached, in whole seconds;
	// empty for none. Telegram honours it instead of its growing back-off.
	RetryAfter string

	// MaxBody is how many bytes a body may have.
	MaxBody int64

	// WriteTimeout is the server's: an answer that comes later does not arrive.
	// 0 for none.
	WriteTimeout time.Duration
}

// NewRules makes rules of what was configured, with defaults for what was not:
// an HSTS value or "off", a duration or a negative one for none, and a size.
func NewRules(hsts string, retryAfter time.Duration, maxBody int64, writeTimeout time.Duration) (Rules, error) {
	rules := Rules{MaxBody: cmp.Or(maxBody, defaultMaxBody), WriteTimeout: writeTimeout}
	if err := CheckMaxBody(rules.MaxBody); err != nil {
		return Rules{}, fmt.Errorf("max_body: %w", err)
	}
	rules.MaxBody = max(rules.MaxBody, telegram.MaxUpdate) // a few bytes more than 512 KiB
	if err := CheckHSTS(hsts); err != nil {
		return Rules{}, fmt.Errorf("hsts: %w", err)
	}
	if hsts != "off" {
		rules.HSTS = cmp.Or(hsts, DefaultHSTS)
	}
	if wait := cmp.Or(retryAfter, defaultRetryAfter); wait > 0 {
		if err := CheckRetryAfter(wait); err != nil {
			return Rules{}, fmt.Errorf("retry_after: %w", err)
		}
		rules.RetryAfter = strconv.Itoa(int(wait / time.Second))
	}
	return rules, nil
}

// CheckMaxBody checks the longest body, in bytes.
func CheckMaxBody(size int64) error {
	if size < minMaxBody {
		return fmt.Errorf("%d bytes are less than 512KiB, which Telegram's longest update has", size)
	}
	return nil
}

var validHSTS = regexp.MustCompile(`(?i)^max-age=[0-9]{1,10}( *; *[a-z-]+)*$`)

// CheckHSTS checks a Strict-Transport-Security value; empty is the default.
func CheckHSTS(value string) error {
	if value == "" || value == "off" || validHSTS.MatchString(value) {
		return nil
	}
	return fmt.Errorf(`%s is neither "off" nor a value such as "max-age=31536000; includeSubDomains"`, telegram.Quote(value))
}

// CheckRetryAfter checks a pause that Telegram is asked for.
func CheckRetryAfter(wait time.Duration) error {
	if wait < time.Second || wait > telegram.MaxRetryAfter || wait%time.Second != 0 {
		return fmt.Errorf("%s is not in whole seconds from 1s to 1h, which is what Telegram honours", wait)
	}
	return nil
}
