package botapi

import (
	"bytes"
	"context"
	"strconv"
	"time"
)

// Webhook holds the parameters of setWebhook. All of them are always sent: Telegram
// forgets those that are missing.
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
	return c.do(ctx, call{method: "setWebhook", parameters: parameters, secret: w.Secret}, new(confirmation))
}

// DeleteWebhook removes the webhook. Updates that have not been delivered wait
// for the next one.
func (c *Client) DeleteWebhook(ctx context.Context) error {
	return c.do(ctx, call{method: "deleteWebhook"}, new(confirmation))
}

// GetWebhookInfo returns what is registered.
func (c *Client) GetWebhookInfo(ctx context.Context) (WebhookInfo, error) {
	var info webhookInfo
	if err := c.do(ctx, call{method: "getWebhookInfo"}, &info); err != nil {
		return WebhookInfo{}, err
	}
	return info.public(newRedactor(c.account, "")), nil
}
