package botapi

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"
)

// Webhook is what setWebhook is called with. All of it is always sent: Telegram
// forgets what it is not told again.
type Webhook struct {
	URL            string
	Secret         string   // empty for none
	Certificate    []byte   // PEM, to be uploaded; empty for none
	AllowedUpdates []string // empty for Telegram's default
	MaxConnections int
	IPAddress      string // empty for what the host name resolves to

	// DropPendingUpdates throws away what has not been delivered yet.
	DropPendingUpdates bool
}

// Format prints the webhook without the secret. Its JSON form is whole.
func (w Webhook) Format(f fmt.State, verb rune) {
	type printed Webhook
	if w.Secret != "" {
		w.Secret = hidden
	}
	fmt.Fprintf(f, fmt.FormatString(f, verb), printed(w))
}

// WebhookInfo is what Telegram says of a bot's webhook. Times are zero, and texts
// empty, for what it does not mention. It never holds the bot token, whatever
// somebody else has registered: that is replaced.
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

// SetWebhook registers a webhook. It refuses a URL that holds the bot token, as
// some set-ups have it for want of a secret: the token would be in every access log.
func (c *Client) SetWebhook(ctx context.Context, w Webhook) error {
	const method = "setWebhook"
	if c.account.Redact(w.URL) != w.URL {
		return errors.New(method + ": the webhook's URL holds the bot token, which access logs would then show; use another path")
	}
	types, _ := json.Marshal(append([]string{}, w.AllowedUpdates...)) // [] and not null
	p := parameters{certificate: bytes.TrimSpace(w.Certificate), secret: w.Secret}
	p.fields = [][2]string{
		{"url", w.URL},
		{"secret_token", w.Secret},
		{"allowed_updates", string(types)},
		{"max_connections", strconv.Itoa(w.MaxConnections)},
		{"ip_address", w.IPAddress},
	}
	p.dropPendingUpdates(w.DropPendingUpdates)
	return c.do(ctx, method, p, new(confirmation))
}

// DeleteWebhook removes the webhook. Updates that have not been delivered wait
// for the next one, unless they are dropped.
func (c *Client) DeleteWebhook(ctx context.Context, dropPendingUpdates bool) error {
	var p parameters
	p.dropPendingUpdates(dropPendingUpdates)
	return c.do(ctx, "deleteWebhook", p, new(confirmation))
}

func (p *parameters) dropPendingUpdates(drop bool) {
	if drop {
		p.fields = append(p.fields, [2]string{"drop_pending_updates", "true"})
	}
}

// GetWebhookInfo asks what is registered.
func (c *Client) GetWebhookInfo(ctx context.Context) (WebhookInfo, error) {
	var info webhookInfo
	if err := c.do(ctx, "getWebhookInfo", parameters{}, &info); err != nil {
		return WebhookInfo{}, err
	}
	return info.public(newRedactor(c.account, "")), nil
}
