package telegramtest

import (
	"cmp"
	"crypto/x509"
	"encoding/json"
	"slices"
	"strings"
	"time"
)

// bot is what the API knows of a bot. The API's lock guards it.
type bot struct {
	sender *Sender
	reg    registration
	types  []string // of updates, in Telegram's order; nil is the default

	nextSet      time.Time // when setWebhook may be called again
	copying      bool      // an uploaded certificate is being kept
	pending      *pending  // the setWebhook under way, if one is
	poll         *poll     // the getUpdates that waits, if one does
	lastPoll     time.Time // when getUpdates was called last
	lastOffset   int       // and with which offset
	nextConflict time.Time // when a conflict is answered at once again
}

// registration is a webhook as getWebhookInfo and the next setWebhook see it.
type registration struct {
	url         string
	secret      string
	max         int
	ip          string // fixed, or else resolved
	fixed       bool
	certificate bool
	uploaded    []*x509.Certificate
	roots       *x509.CertPool
	dial        string // the address to dial, "" for the URL's host
}

// erase removes the webhook, as Telegram does before it sets another.
func (b *bot) erase() {
	b.reg = registration{}
	b.sender.SetWebhook(Webhook{})
}

func (b *bot) webhook() Webhook {
	return Webhook{URL: b.reg.url, Secret: b.reg.secret, MaxConnections: b.reg.max, IPAddress: b.reg.dial, RootCAs: b.reg.roots,
		uploaded: b.reg.uploaded, resolves: b.reg.dial != "" && !b.reg.fixed}
}

// gone takes note that 410 removed a bot's webhook, unless it was set meanwhile.
func (a *API) gone(b *bot) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if b.sender.Stats().Gone {
		b.reg = registration{}
	}
}

// updateTypes are the types of update in the order in which getWebhookInfo
// lists them.
var updateTypes = []string{
	"message", "edited_message", "channel_post", "edited_channel_post", "inline_query", "chosen_inline_result",
	"callback_query", "shipping_query", "pre_checkout_query", "poll", "poll_answer", "my_chat_member", "chat_member",
	"chat_join_request", "chat_boost", "removed_chat_boost", "message_reaction", "message_reaction_count",
	"business_connection", "business_message", "edited_business_message", "deleted_business_messages",
	"purchased_paid_media", "guest_message", "managed_bot", "subscription", "stopped_message_generation",
}

// onRequest are the types that a bot only gets if it asks for them.
var onRequest = []string{"chat_member", "message_reaction", "message_reaction_count"}

// allows reports whether a bot gets updates of a type. One that came after this
// list is by default on.
func (b *bot) allows(kind string) bool {
	if b.types == nil {
		return !slices.Contains(onRequest, kind)
	}
	return slices.Contains(b.types, kind)
}

// setTypes applies the parameter allowed_updates. What is no list of strings
// changes nothing, nor does a parameter that is absent; names that nobody knows
// are ignored, and a list without any other is the default.
func (b *bot) setTypes(q *query) {
	var names []string
	if json.Unmarshal([]byte(q.params["allowed_updates"]), &names) != nil || names == nil {
		return
	}
	var types, preset []string
	for _, kind := range updateTypes {
		if slices.ContainsFunc(names, func(name string) bool { return strings.EqualFold(name, kind) }) {
			types = append(types, kind)
		}
		if !slices.Contains(onRequest, kind) {
			preset = append(preset, kind)
		}
	}
	if slices.Equal(types, preset) {
		types = nil
	}
	b.types = types
}

// webhookInfo is the result of getWebhookInfo. The secret is not in it.
type webhookInfo struct {
	URL                  string   `json:"url"`
	HasCustomCertificate bool     `json:"has_custom_certificate"`
	PendingUpdateCount   int      `json:"pending_update_count"`
	LastErrorDate        int64    `json:"last_error_date,omitempty"`
	LastErrorMessage     string   `json:"last_error_message,omitempty"`
	MaxConnections       int      `json:"max_connections,omitempty"`
	IPAddress            string   `json:"ip_address,omitempty"`
	AllowedUpdates       []string `json:"allowed_updates,omitempty"`
}

func (a *API) getWebhookInfo(q *query) *reply {
	a.mu.Lock()
	defer a.mu.Unlock()
	b := a.bot(q.token)
	stats := b.sender.Stats()
	info := webhookInfo{
		URL:                  b.reg.url,
		HasCustomCertificate: b.reg.certificate,
		PendingUpdateCount:   stats.Pending,
		LastErrorMessage:     stats.LastError,
		MaxConnections:       b.reg.max,
		IPAddress:            cmp.Or(b.sender.address(), b.reg.ip),
		AllowedUpdates:       b.types,
	}
	if info.URL != "" && info.IPAddress == "" {
		info.IPAddress = "<unknown>" // not resolved yet
	}
	if stats.LastError != "" {
		info.LastErrorDate = stats.LastErrorDate.Unix()
	}
	return okReply(info, "")
}
