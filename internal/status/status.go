// Package status is the state of webhooks as the admin API answers it and the commands
// show it.
package status

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/caddy-telegram/telegramwebhook/internal/telegram"
)

const (
	// Endpoint is the path of the module's part of Caddy's admin API.
	Endpoint = "/telegram_webhook/"

	// ReadyName stands for all webhooks in the admin API, so no webhook can have this name.
	ReadyName = "ready"

	// AuditHeader is the request header with the mark of an audit.
	AuditHeader = "X-Telegram-Webhook-Audit"
)

// The states of a webhook.
const (
	Registered = "registered" // Telegram has the webhook as configured
	Unmanaged  = "unmanaged"  // nothing here registers the webhook: there is no bot_token
	Pending    = "pending"    // the first attempt has not ended yet
	Failing    = "failing"    // the last attempt failed; another one follows
	Contested  = "contested"  // somebody else registers the same bot again and again
	Superseded = "superseded" // another node has a newer configuration
	Deleted    = "deleted"    // deleted on demand, until it is registered on demand or the configuration changes
	Polling    = "polling"    // this node fetches the updates
	Standby    = "standby"    // another node fetches the updates
	Orphaned   = "orphaned"   // storage has records of a bot that the configuration does not have; only with ?all=true
)

// Webhook is the state of one webhook. It never holds a secret or a token.
type Webhook struct {
	// Name is the configured name, else the bot's id, else the webhook's host and path.
	Name string `json:"name"`

	// State is one of the constants above.
	State string `json:"state"`

	// Since is when the webhook entered the state, on this node.
	Since time.Time `json:"since,omitzero"`

	// Detail is what is wrong; empty if nothing is.
	Detail string `json:"detail,omitempty"`

	// Advice is what to do, in a sentence; empty if there is nothing to do.
	Advice string `json:"advice,omitempty"`

	// URL is the registered address.
	URL string `json:"url,omitempty"`

	// Address is the webhook's address in the configuration, registered or not; empty if
	// the configuration does not determine one.
	Address string `json:"address,omitempty"`

	// IPAddress is `ip_address` of the configuration; empty if Telegram asks DNS.
	IPAddress string `json:"ip_address,omitempty"`

	// LocalAPI is true if `api` is a local Bot API server, which sends to http, and to any
	// port and IP address.
	LocalAPI bool `json:"local_api,omitempty"`

	// Certificate is what `certificate` uploads, as PEM.
	Certificate string `json:"certificate,omitempty"`

	// RegisteredAt is when the webhook was registered, RegisteredBy the node that did it.
	RegisteredAt time.Time `json:"registered_at,omitzero"`
	RegisteredBy string    `json:"registered_by,omitempty"`

	// Telegram is Telegram's last answer to getWebhookInfo; absent if this node has not
	// asked, as for a deleted or superseded webhook.
	Telegram *Telegram `json:"telegram,omitempty"`

	// Polling is absent unless `poll` is configured.
	Polling *Fetching `json:"polling,omitempty"`

	Secret Secret `json:"secret"`

	// Requests counts the requests since the process started, by result: passed, or the
	// reason of a refusal.
	Requests map[string]uint64 `json:"requests"`

	// Ready is true if this node can judge requests: it has the secrets in memory, or
	// fetches the updates.
	Ready bool `json:"ready"`

	// Storage is absent without a bot_token.
	Storage *Storage `json:"storage,omitempty"`

	// Listener is about all webhooks of this process; absent if this webhook's server has no
	// listener wrapper.
	Listener *Listener `json:"listener,omitempty"`

	// AuditMark is the value of AuditHeader with which this process counts a refused request
	// as an audit's, for a few minutes; only in the answer to ?audit=true.
	AuditMark string `json:"audit_mark,omitempty"`
}

// Well reports whether the state needs no action.
func (w Webhook) Well() bool {
	return slices.Contains([]string{Registered, Unmanaged, Polling, Standby}, w.State)
}

// Problem returns what is wrong; empty if nothing is.
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

// AtTelegram returns what Telegram has, and whether that is this webhook; empty if
// Telegram was not asked.
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

// Telegram is an answer to getWebhookInfo.
type Telegram struct {
	At  time.Time `json:"at"`
	URL string    `json:"url"` // empty if there is no webhook

	// IPAddress is the address to which Telegram sends. Telegram asks DNS again every half
	// hour, so it can be old after a move. It can also be "<unknown>".
	IPAddress string `json:"ip_address,omitempty"`

	// Pending counts the updates that wait at Telegram.
	Pending int `json:"pending"`

	// LastError is Telegram's last failure to deliver. It stays after later successes.
	LastError   string    `json:"last_error,omitempty"`
	LastErrorAt time.Time `json:"last_error_at,omitzero"`

	MaxConnections int  `json:"max_connections,omitempty"`
	Certificate    bool `json:"certificate"` // an uploaded one is in use
}

// Recently reports whether Telegram failed to deliver within the last hour.
func (t Telegram) Recently(now time.Time) bool {
	return t.LastError != "" && now.Sub(t.LastErrorAt) < time.Hour
}

// Fetching is the state of polling.
type Fetching struct {
	Waiting   int       `json:"waiting"`             // updates that were fetched and that the bot has not taken
	FetchedAt time.Time `json:"fetched_at,omitzero"` // when Telegram last answered getUpdates
}

// Sent is the result of an update that was sent to the bot on demand.
type Sent struct {
	// URL is the address, inside the process for one that the running Caddy has sent.
	URL string `json:"url"`

	// Status, Reason, Header and Body are the answer as Telegram reads it. Status is 0 if
	// there was none.
	Status int                 `json:"status"`
	Reason string              `json:"reason,omitempty"`
	Header map[string][]string `json:"header,omitempty"`
	Body   []byte              `json:"body,omitempty"`

	// Delivered is true if Telegram takes the update for delivered. Result says so for
	// people.
	Delivered bool   `json:"delivered"`
	Result    string `json:"result"`
}

// SentTo returns the result of an answer from a url.
func SentTo(url string, a *telegram.Answer) Sent {
	return Sent{URL: url, Status: a.Status, Reason: a.Reason, Header: a.Header, Body: a.Body, Delivered: a.Delivered(), Result: a.Outcome()}
}

// Secret describes the secret that is registered.
type Secret struct {
	Source string    `json:"source"`         // kept or configured
	Made   time.Time `json:"made,omitzero"`  // when a kept secret was made
	Due    time.Time `json:"due,omitzero"`   // when the next rotation begins; absent for never
	Weak   bool      `json:"weak,omitempty"` // a configured secret is shorter than 22 characters
}

// Overdue reports whether the rotation is late by more than it may take when Telegram or
// storage is away.
func (s Secret) Overdue(now time.Time) bool {
	return !s.Due.IsZero() && now.Sub(s.Due) > time.Hour
}

// Storage is what a node knows of Caddy's storage.
type Storage struct {
	Module string `json:"module"` // its Go type

	// ReadAt and WrittenAt are when this process last read and wrote a record of any bot.
	ReadAt    time.Time `json:"read_at,omitzero"`
	WrittenAt time.Time `json:"written_at,omitzero"`

	// AwaySince is absent while records can be read.
	AwaySince time.Time `json:"away_since,omitzero"`

	// Leader is the process that last compared the webhook with Telegram or changed it.
	Leader string `json:"leader,omitempty"`
}

// Away reports whether storage cannot be read.
func (s *Storage) Away() bool { return s != nil && !s.AwaySince.IsZero() }

// Listener is the state of the listener wrappers.
type Listener struct {
	// Penalized counts the addresses that are barred now for forging.
	Penalized int `json:"penalized"`

	// Dropped counts the dropped connections since the process started, by reason: penalty
	// for a barred address, address for one that is not in `only`.
	Dropped map[string]uint64 `json:"dropped"`
}

// Ready is the answer to a probe.
type Ready struct {
	Ready bool   `json:"ready"`
	Error string `json:"error,omitempty"` // why not, with the names of the webhooks
}
