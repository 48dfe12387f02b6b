// Package status defines the state of webhooks as the admin API returns it and the commands show it.
package status

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/caddy-telegram/telegramwebhook/internal/telegram"
)

const (
	// Endpoint is the path of this module in Caddy's admin API.
	Endpoint = "/telegram_webhook/"

	// ReadyName stands for all webhooks in the admin API, so no webhook can have this name.
	ReadyName = "ready"

	// AuditHeader is the request header that carries the mark of an audit.
	AuditHeader = "X-Telegram-Webhook-Audit"
)

// The states of a webhook.
const (
	Registered = "registered" // Telegram has the webhook as configured
	Unmanaged  = "unmanaged"  // this configuration does not register the webhook: it has no bot_token
	Pending    = "pending"    // the first attempt has not ended yet
	Failing    = "failing"    // the last attempt failed; another one follows
	Contested  = "contested"  // another party registers the same bot again and again
	Superseded = "superseded" // another node has a newer configuration
	Deleted    = "deleted"    // deleted on demand, until it is registered on demand or the configuration changes
	Polling    = "polling"    // this node fetches the updates
	Standby    = "standby"    // another node fetches the updates
	Orphaned   = "orphaned"   // storage has records of a bot that is not in the configuration; only with ?all=true
)

// Webhook is the state of one webhook. It never holds a secret or a token.
type Webhook struct {
	// Name is the configured name, else the bot's id, else the webhook's host and path.
	Name string `json:"name"`

	// State is one of the constants above.
	State string `json:"state"`

	// Since is when the webhook entered the state on this node.
	Since time.Time `json:"since,omitzero"`

	// Detail describes the problem; empty if there is none.
	Detail string `json:"detail,omitempty"`

	// Advice says in a sentence what to do; empty if there is nothing to do.
	Advice string `json:"advice,omitempty"`

	// URL is the registered address.
	URL string `json:"url,omitempty"`

	// Address is the webhook's address in the configuration, registered or not; empty if
	// the configuration does not determine one.
	Address string `json:"address,omitempty"`

	// IPAddress is `ip_address` of the configuration; empty if Telegram uses DNS.
	IPAddress string `json:"ip_address,omitempty"`

	// LocalAPI is true if `api` is a local Bot API server, which also sends to http URLs,
	// and to any port and IP address.
	LocalAPI bool `json:"local_api,omitempty"`

	// Certificate is the certificate that `certificate` uploads, as PEM.
	Certificate string `json:"certificate,omitempty"`

	// RegisteredAt and RegisteredBy are the time and the node of the registration.
	RegisteredAt time.Time `json:"registered_at,omitzero"`
	RegisteredBy string    `json:"registered_by,omitempty"`

	// Telegram is Telegram's last answer to getWebhookInfo; absent if this node has not
	// asked, for example for a deleted or superseded webhook.
	Telegram *Telegram `json:"telegram,omitempty"`

	// Polling is absent unless `poll` is configured.
	Polling *Fetching `json:"polling,omitempty"`

	Secret Secret `json:"secret"`

	// Requests counts the requests since the process started, by result: passed, or the reason for a refusal.
	Requests map[string]uint64 `json:"requests"`

	// Ready is true if this node can judge requests: it has the secrets in memory, or fetches the updates.
	Ready bool `json:"ready"`

	// Storage is absent without a bot_token.
	Storage *Storage `json:"storage,omitempty"`

	// Listener covers all webhooks of this process; absent if the server of this webhook has no listener wrapper.
	Listener *Listener `json:"listener,omitempty"`

	// AuditMark is a value of AuditHeader. For a few minutes, this process counts refused
	// requests with it as an audit's. It is only in the answer to ?audit=true.
	AuditMark string `json:"audit_mark,omitempty"`
}

// Well reports whether the state needs no action.
func (w Webhook) Well() bool {
	return slices.Contains([]string{Registered, Unmanaged, Polling, Standby}, w.State)
}

// Problem describes the problem; empty if there is none.
func (w Webhook) Problem() string {
	if w.Well() {
		return w.Detail
	}
	problem := w.State
	if w.Detail != "" {
		problem += ": " + strings.TrimSuffix(w.Detail, ".")
	}
	if w.Telegram != nil && w.Telegram.URL == "" {
		problem += "; Telegram has no webhook"
	}
	return problem
}

// AtTelegram returns the webhook that Telegram has, and whether it is this one; empty if Telegram was not asked.
func (w Webhook) AtTelegram() (has string, ok bool) {
	switch {
	case w.Telegram == nil:
		return "", false
	case w.Telegram.URL == "":
		return "no webhook", false
	case w.Telegram.URL == cmp.Or(w.URL, w.Address):
		return "this url", true
	}
	return w.Telegram.URL, false
}

// Telegram is an answer to getWebhookInfo, as the registrar takes it over.
type Telegram struct {
	At  time.Time `json:"at"`
	URL string    `json:"url"` // empty if there is no webhook

	// IPAddress is the address to which Telegram sends. After a move it is outdated until
	// Telegram asks DNS again, every half hour. It can also be "<unknown>".
	IPAddress string `json:"ip_address,omitempty"`

	// Pending counts the updates in Telegram's queue.
	Pending int `json:"pending"`

	// LastError is Telegram's last failure to deliver. It remains after later successes.
	LastError   string    `json:"last_error,omitempty"`
	LastErrorAt time.Time `json:"last_error_at,omitzero"`

	MaxConnections int  `json:"max_connections,omitempty"` // 0 without a webhook
	Certificate    bool `json:"certificate"`               // whether an uploaded certificate is in use
}

// Recently reports whether Telegram failed to deliver within the last hour.
func (t Telegram) Recently(now time.Time) bool {
	return t.LastError != "" && now.Sub(t.LastErrorAt) < time.Hour
}

// Fetching is the state of polling.
type Fetching struct {
	Waiting   int       `json:"waiting"`             // fetched updates that the bot has not taken
	FetchedAt time.Time `json:"fetched_at,omitzero"` // when Telegram last answered getUpdates
}

// Sent is the result of an update that is sent to the bot on demand.
type Sent struct {
	// URL is the address, inside the process if the running Caddy sends the update.
	URL string `json:"url"`

	// Status, Reason, Header and Body are the answer as Telegram reads it. Status is 0 without an answer.
	Status int                 `json:"status"`
	Reason string              `json:"reason,omitempty"`
	Header map[string][]string `json:"header,omitempty"`
	Body   []byte              `json:"body,omitempty"`

	// Delivered is true if Telegram considers the update delivered. Result describes the outcome for people.
	Delivered bool   `json:"delivered"`
	Result    string `json:"result"`
}

// SentTo returns the result for an answer from url.
func SentTo(url string, a *telegram.Answer) Sent {
	return Sent{URL: url, Status: a.Status, Reason: a.Reason, Header: a.Header, Body: a.Body, Delivered: a.Delivered(), Result: a.Outcome()}
}

// Secret describes the registered secret.
type Secret struct {
	Source string    `json:"source"`         // kept or configured
	Made   time.Time `json:"made,omitzero"`  // when a kept secret was made
	Due    time.Time `json:"due,omitzero"`   // when the next rotation begins; absent for never
	Weak   bool      `json:"weak,omitempty"` // a configured secret is shorter than 22 characters
}

// Overdue reports whether the rotation is late by more than an outage of Telegram or storage may delay it.
func (s Secret) Overdue(now time.Time) bool {
	return !s.Due.IsZero() && now.Sub(s.Due) > time.Hour
}

// Storage is the state of Caddy's storage as this node sees it.
type Storage struct {
	Module string `json:"module"` // the Go type of the storage module

	// ReadAt and WrittenAt are when this process last read and wrote a record of any bot.
	ReadAt    time.Time `json:"read_at,omitzero"`
	WrittenAt time.Time `json:"written_at,omitzero"`

	// AwaySince is absent while this process can read records.
	AwaySince time.Time `json:"away_since,omitzero"`

	// Leader is the process that last compared the webhook with Telegram or changed it.
	Leader string `json:"leader,omitempty"`
}

// Away reports whether storage cannot be read.
func (s *Storage) Away() bool { return s != nil && !s.AwaySince.IsZero() }

// Listener is the state of the listener wrappers.
type Listener struct {
	// Penalized counts the addresses that are currently barred for forging.
	Penalized int `json:"penalized"`

	// Dropped counts the dropped connections since the process started, by reason:
	// penalty for a barred address, address for one that `only` does not include.
	Dropped map[string]uint64 `json:"dropped"`
}

// Ready is the answer to a probe.
type Ready struct {
	Ready bool   `json:"ready"`
	Error string `json:"error,omitempty"` // the reason if Ready is false, with the names of the webhooks
}
