package botapi

import (
	"encoding/json"
	"io"
	"net/http"
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
		RetryAfter int64 `json:"retry_after"` // in seconds
	} `json:"parameters"`
}

// isTrue accepts the result of setWebhook and deleteWebhook.
func isTrue(result json.RawMessage) bool { return string(result) == "true" }

// webhookInfo is the result of getWebhookInfo as it arrives: the own fields take the place of the embedded ones.
type webhookInfo struct {
	WebhookInfo
	URL           *string `json:"url"`
	LastErrorDate int64   `json:"last_error_date"`
}

// decode requires the url. Without it, the answer of another server would pass for
// that of a bot without a webhook, and the webhook would be registered again.
func (i *webhookInfo) decode(result json.RawMessage) bool {
	return json.Unmarshal(result, i) == nil && i.URL != nil && i.LastErrorDate >= 0 && i.LastErrorDate < 1<<36
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

// read reads an answer, which must have a result that accept takes. If it is none of the Bot API's, the Error has no
// description: the body may hold the request. An answer that is too long is no JSON where it is cut.
func read(response *http.Response, accept func(result json.RawMessage) bool) error {
	body, err := io.ReadAll(io.LimitReader(response.Body, maxAnswer))
	if err != nil {
		return err
	}
	var a answer
	err = json.Unmarshal(body, &a)
	switch status := response.StatusCode; {
	case err == nil && !a.OK && a.Description != "":
		code := a.ErrorCode
		if code < 100 || code > 599 { // it is a label in the metrics
			code = status
		}
		wait := time.Duration(min(a.Parameters.RetryAfter, int64(maxRetryAfter/time.Second))) * time.Second
		return &Error{Code: code, Description: a.Description, RetryAfter: max(0, wait)}
	case err != nil || !a.OK || status/100 != 2 || !accept(a.Result):
		return &Error{Code: status}
	}
	return nil
}
