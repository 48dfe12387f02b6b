package botapi

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"mime/multipart"
	"slices"
	"strconv"
	"time"
)

// defaultMaxConnections is what Telegram takes when it is told nothing. Told 0,
// it takes 1.
const defaultMaxConnections = 40

// Webhook is what setWebhook is told. All of it is always sent: Telegram forgets
// what it is not told again.
type Webhook struct {
	URL            string
	Secret         string   // empty for none
	Certificate    []byte   // PEM, to be uploaded; empty for none
	AllowedUpdates []string // empty for Telegram's default
	MaxConnections int      // 0 for Telegram's default, 40
	IPAddress      string   // empty for what the host name resolves to

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
	URL                          string    `json:"url"` // empty if there is no webhook
	HasCustomCertificate         bool      `json:"has_custom_certificate"`
	PendingUpdateCount           int       `json:"pending_update_count"`
	IPAddress                    string    `json:"ip_address,omitempty"`
	LastErrorDate                time.Time `json:"last_error_date,omitzero"` // of the last failure; stays after later successes
	LastErrorMessage             string    `json:"last_error_message,omitempty"`
	LastSynchronizationErrorDate time.Time `json:"last_synchronization_error_date,omitzero"`
	MaxConnections               int       `json:"max_connections,omitempty"`
	AllowedUpdates               []string  `json:"allowed_updates,omitempty"` // empty for Telegram's default
}

// SetWebhook registers a webhook. It refuses a URL that holds the bot token, as
// some set-ups have it for want of a secret: the token would be in every access log.
func (c *Client) SetWebhook(ctx context.Context, w Webhook) error {
	if newRedactor(c.token).value(w.URL) != w.URL {
		err := errors.New("the webhook's URL holds the bot token, which access logs would then show; use another path")
		return call{method: "setWebhook"}.fail(err, "%v", err)
	}
	if w.MaxConnections == 0 {
		w.MaxConnections = defaultMaxConnections
	}
	p := parameters{
		values: map[string]any{
			"url":             w.URL,
			"secret_token":    w.Secret,
			"allowed_updates": append([]string{}, w.AllowedUpdates...), // [] and not null
			"max_connections": w.MaxConnections,
			"ip_address":      w.IPAddress,
		},
		certificate: bytes.TrimSpace(w.Certificate),
		secret:      w.Secret,
	}
	if w.DropPendingUpdates {
		p.values["drop_pending_updates"] = true
	}
	return c.confirm(ctx, "setWebhook", p)
}

// DeleteWebhook removes the webhook. Updates that have not been delivered wait
// for the next one, unless they are dropped.
func (c *Client) DeleteWebhook(ctx context.Context, dropPendingUpdates bool) error {
	var p parameters
	if dropPendingUpdates {
		p.values = map[string]any{"drop_pending_updates": true}
	}
	return c.confirm(ctx, "deleteWebhook", p)
}

// confirm calls a method whose result is true.
func (c *Client) confirm(ctx context.Context, method string, p parameters) error {
	var done confirmation
	return c.do(ctx, method, p, &done)
}

// GetWebhookInfo asks what is registered.
func (c *Client) GetWebhookInfo(ctx context.Context) (WebhookInfo, error) {
	var info webhookInfo
	if err := c.do(ctx, "getWebhookInfo", parameters{}, &info); err != nil {
		return WebhookInfo{}, err
	}
	return info.public(newRedactor(c.token)), nil
}

// parameters are what a method is told.
type parameters struct {
	values      map[string]any
	certificate []byte
	secret      string // must not be told in errors
}

// encode returns the body of a request, and its type: JSON, or a form if there
// is a file in it.
func (p parameters) encode() (*bytes.Buffer, string, error) {
	var body bytes.Buffer
	if len(p.certificate) == 0 {
		if p.values == nil {
			p.values = map[string]any{}
		}
		err := json.NewEncoder(&body).Encode(p.values)
		return &body, "application/json", err
	}
	form := multipart.NewWriter(&body)
	for _, name := range slices.Sorted(maps.Keys(p.values)) {
		if err := form.WriteField(name, field(p.values[name])); err != nil {
			return nil, "", err
		}
	}
	file, err := form.CreateFormFile("certificate", "certificate.pem")
	if err != nil {
		return nil, "", err
	}
	if _, err := file.Write(p.certificate); err != nil {
		return nil, "", err
	}
	return &body, form.FormDataContentType(), form.Close()
}

// field is a parameter as a form has it: text as it is, the rest as JSON.
func field(value any) string {
	switch v := value.(type) {
	case string:
		return v
	case int:
		return strconv.Itoa(v)
	}
	// A list of strings or a bool always has a JSON form.
	encoded, _ := json.Marshal(value)
	return string(encoded)
}
