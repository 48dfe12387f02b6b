package botapi

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"strconv"
	"strings"
	"time"
)

// Webhook holds the parameters of setWebhook. All of them are always sent: Telegram forgets those that are missing. Its
// JSON form is what the registrar compares: with another field, all webhooks are registered once more after an update.
type Webhook struct {
	URL            string
	Secret         string   // empty for none
	Certificate    []byte   // PEM, to be uploaded; empty for none
	AllowedUpdates []string // empty for Telegram's default
	MaxConnections int
	IPAddress      string // empty for what the host name resolves to
}

// WebhookInfo is the result of getWebhookInfo. Absent fields are zero. It never holds
// the bot token, which somebody else may have registered as part of a URL.
type WebhookInfo struct {
	URL                  string    `json:"url"` // empty if there is no webhook
	HasCustomCertificate bool      `json:"has_custom_certificate"`
	PendingUpdateCount   int       `json:"pending_update_count"`
	IPAddress            string    `json:"ip_address,omitempty"`
	LastErrorDate        time.Time `json:"last_error_date,omitzero"` // of the last failure; stays after later successes
	LastErrorMessage     string    `json:"last_error_message,omitempty"`
	MaxConnections       int       `json:"max_connections,omitempty"`
	AllowedUpdates       []string  `json:"allowed_updates,omitempty"` // empty for Telegram's default
}

// SetWebhook registers a webhook. The caller has checked it. Updates that have not
// been delivered are kept, unless they are dropped.
func (c *Client) SetWebhook(ctx context.Context, w Webhook, drop bool) error {
	parameters := []parameter{
		{"url", w.URL},
		{"secret_token", w.Secret},
		{"allowed_updates", typeList(w.AllowedUpdates)},
		{"max_connections", strconv.Itoa(w.MaxConnections)},
		{"ip_address", w.IPAddress},
	}
	if drop {
		parameters = append(parameters, parameter{"drop_pending_updates", "true"})
	}
	if pem := bytes.TrimSpace(w.Certificate); len(pem) > 0 {
		parameters = append(parameters, parameter{certificateName, string(pem)})
	}
	return c.do(ctx, call{method: "setWebhook", parameters: parameters, secret: w.Secret}, isTrue)
}

// DeleteWebhook removes the webhook. Updates that have not been delivered wait for the next one.
func (c *Client) DeleteWebhook(ctx context.Context) error {
	return c.do(ctx, call{method: "deleteWebhook"}, isTrue)
}

// GetWebhookInfo returns what is registered.
func (c *Client) GetWebhookInfo(ctx context.Context) (WebhookInfo, error) {
	var info webhookInfo
	if err := c.do(ctx, call{method: "getWebhookInfo"}, info.decode); err != nil {
		return WebhookInfo{}, err
	}
	return info.public(newRedactor(c.account, "")), nil
}

// Poll holds the parameters of getUpdates. All of them are always sent.
type Poll struct {
	Offset         int64         // confirms all updates before this one
	Limit          int           // from 1 to 100
	Timeout        time.Duration // how long Telegram waits for an update if there is none, at most LongPoll
	AllowedUpdates []string      // empty for Telegram's default
}

// LongPoll is the longest that Telegram waits for an update.
const LongPoll = 50 * time.Second

// GetUpdates returns the earliest updates that have not been confirmed, each as it is on the wire.
func (c *Client) GetUpdates(ctx context.Context, p Poll) ([]json.RawMessage, error) {
	var updates []json.RawMessage
	err := c.do(ctx, call{method: "getUpdates", long: true, parameters: []parameter{
		{"offset", strconv.FormatInt(p.Offset, 10)},
		{"limit", strconv.Itoa(p.Limit)},
		{"timeout", strconv.Itoa(int(p.Timeout.Seconds()))},
		{"allowed_updates", typeList(p.AllowedUpdates)},
	}}, func(result json.RawMessage) bool { return json.Unmarshal(result, &updates) == nil && updates != nil })
	return updates, err
}

// typeList encodes types of updates, [] and not null for none.
func typeList(types []string) string {
	list, _ := json.Marshal(append([]string{}, types...))
	return string(list)
}

// Run calls the method that a bot's answer asks for, with the answer's own body. The
// method is what the bot wrote, and would otherwise become part of a URL.
func (c *Client) Run(ctx context.Context, method, contentType string, body []byte) error {
	const longest = 64 // characters, twice as many as the longest name has
	if method == "" || len(method) > longest || strings.Trim(strings.ToLower(method), "abcdefghijklmnopqrstuvwxyz") != "" {
		return errors.New("the method in the answer is not the name of one")
	}
	return c.do(ctx, call{method: method, long: true, body: body, contentType: contentType}, func(json.RawMessage) bool { return true })
}
