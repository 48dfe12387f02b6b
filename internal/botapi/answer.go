package botapi

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// maxRetryAfter bounds how long a server can put off the next call.
const maxRetryAfter = time.Hour

// answer is the answer of every method.
type answer struct {
	OK          bool            `json:"ok"`
	Result      json.RawMessage `json:"result"`
	ErrorCode   int             `json:"error_code"`
	Description string          `json:"description"`
	Parameters  struct {
		RetryAfter float64 `json:"retry_after"`
	} `json:"parameters"`
}

// result is the result of a method. valid reports whether a decoded one can be the
// Bot API's.
type result interface{ valid() bool }

// confirmation is the result of setWebhook and deleteWebhook.
type confirmation bool

func (c *confirmation) valid() bool { return bool(*c) }

// webhookInfo is the result of getWebhookInfo as it arrives: the own fields take
// the place of the embedded ones.
type webhookInfo struct {
	WebhookInfo
	URL           *string `json:"url"`
	LastErrorDate int64   `json:"last_error_date"`
}

// valid requires the url. Without it, the answer of another server would pass for
// that of a bot without a webhook, and the webhook would be registered again.
func (i *webhookInfo) valid() bool {
	return i.URL != nil && i.LastErrorDate >= 0 && i.LastErrorDate < 1<<36
}

func (i *webhookInfo) public(r redactor) WebhookInfo {
	info := i.WebhookInfo
	info.URL = r.value(*i.URL)
	info.IPAddress, info.LastErrorMessage = r.text(info.IPAddress), r.text(info.LastErrorMessage)
	if i.LastErrorDate > 0 {
		info.LastErrorDate = time.Unix(i.LastErrorDate, 0)
	}
	for n, name := range info.AllowedUpdates {
		info.AllowedUpdates[n] = r.text(name)
	}
	return info
}

// read reads the answer and decodes it.
func (c call) read(ctx context.Context, response *http.Response, result result) error {
	if response.StatusCode/100 == 3 {
		return c.fail(nil, "%s answers with a redirect (%d) to %s, which is not followed; check the api URL",
			c.server, response.StatusCode, c.redirectTarget(response.Header.Get("Location")))
	}
	body, err := io.ReadAll(io.LimitReader(response.Body, maxAnswer+1))
	switch {
	case len(body) > maxAnswer:
		return c.fail(nil, "%s answers with more than %d bytes; check that the api URL is a Bot API server's", c.server, maxAnswer)
	case err != nil:
		return c.interrupted(ctx, err, "the answer of %s could not be read: %s")
	}
	return c.decode(response.StatusCode, response.Header, body, result)
}

// redirectTarget names the target of a redirect without the path, which may hold
// the token.
func (c call) redirectTarget(location string) string {
	u, err := url.Parse(location)
	if err != nil || u.Host == "" {
		return "another path"
	}
	return c.redact.text(u.Scheme + "://" + u.Host)
}

// decode decodes an answer's body.
func (c call) decode(status int, header http.Header, body []byte, result result) error {
	var a answer
	err := json.Unmarshal(body, &a)
	switch {
	case err == nil && !a.OK && a.Description != "":
		return c.refused(status, header, a)
	case err != nil || !a.OK || status/100 != 2 || json.Unmarshal(a.Result, result) != nil || !result.valid():
		return c.foreign(status, header)
	}
	return nil
}

// refused returns the error of a refusal.
func (c call) refused(status int, header http.Header, a answer) error {
	code, wait := a.ErrorCode, a.Parameters.RetryAfter
	if code < 100 || code > 599 {
		code = status
	}
	if wait == 0 {
		n, _ := strconv.Atoi(strings.TrimSpace(header.Get("Retry-After"))) // 0 for a date, the limit for a longer number
		wait = float64(n)
	}
	seconds := max(0, min(wait, maxRetryAfter.Seconds())) // before it is converted: what does not fit would be negative
	return &Error{Method: c.method, Code: code, Description: c.redact.text(a.Description), RetryAfter: time.Duration(seconds * float64(time.Second))}
}
