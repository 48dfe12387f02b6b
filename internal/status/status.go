// Package status is the state of webhooks as the admin API tells it, and the
// commands show it.
package status

import (
	"cmp"
	"slices"
	"strings"
	"time"
)

// Some of the states.
const (
	Registered = "registered"
	Unmanaged  = "unmanaged"
	Polling    = "polling"
	Standby    = "standby"
	Pending    = "pending"
	Contested  = "contested"
	Orphaned   = "orphaned"
)

// Webhook is the state of one webhook. It never holds a secret or a token.
type Webhook struct {
	// Name is the webhook's name: as configured, or the bot's id, or the host and
	// path that lead to it.
	Name string `json:"name"`

	// State is how the registration stands:
	//   - registered: Telegram has the webhook as configured
	//   - pending: the first attempt has not ended yet
	//   - failing: the last attempt has failed; it is made again
	//   - contested: somebody else registers the same bot again and again
	//   - superseded: another node has a newer configuration
	//   - deleted: the webhook was deleted on demand, and is not registered until
	//     that is asked for, or the configuration changes
	//   - unmanaged: there is no bot_token, and so no registration
	//   - polling: this node fetches the updates
	//   - standby: another node fetches them
	//   - orphaned: there are records of the bot in storage, and no webhook for it in the
	//     configuration; told only when all is asked for
	State string `json:"state"`

	// Since is when it came to be so, on this node.
	Since time.Time `json:"since,omitzero"`

	// Detail is what went wrong, if anything did.
	Detail string `json:"detail,omitempty"`

	// Advice is what to do, in a sentence; empty if there is nothing to do.
	Advice string `json:"advice,omitempty"`

	// URL is the address that is registered.
	URL string `json:"url,omitempty"`

	// Address is where the webhook is by the configuration, whether it is
	// registered or not; empty if the configuration does not tell.
	Address string `json:"address,omitempty"`

	// IPAddress is the fixed address to which Telegram is to send, by the
	// configuration; empty if Telegram is to ask DNS.
	IPAddress string `json:"ip_address,omitempty"`

	// RegisteredAt is when the webhook was registered, and RegisteredBy the node that did it.
	RegisteredAt time.Time `json:"registered_at,omitzero"`
	RegisteredBy string    `json:"registered_by,omitempty"`

	// Telegram is what Telegram last said of the webhook; absent if this node has
	// not asked yet, or does not ask, as when it is deleted or superseded.
	Telegram *Telegram `json:"telegram,omitempty"`

	// Polling is what is known of the updates that are fetched; absent for a webhook.
	Polling *Fetching `json:"polling,omitempty"`

	Secret Secret `json:"secret"`

	// Requests counts the requests since the process started by their result:
	// passed, or why they were refused.
	Requests map[string]uint64 `json:"requests"`

	// Ready says that this node can judge requests: the secrets are in memory, or the
	// updates are fetched.
	Ready bool `json:"ready"`

	// Storage is what this node knows of Caddy's storage; absent without a bot_token.
	Storage *Storage `json:"storage,omitempty"`

	// Listener is what the listener wrapper does, for all webhooks of this process;
	// absent if this webhook's server has none.
	Listener *Listener `json:"listener,omitempty"`
}

// Well reports whether the registration is as it should be.
func (w Webhook) Well() bool {
	return slices.Contains([]string{Registered, Unmanaged, Polling, Standby}, w.State)
}

// Problem says what is not as it should be; empty if all is.
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

// AtTelegram says what Telegram has, and whether that is this webhook; empty if
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

// Telegram is what getWebhookInfo said.
type Telegram struct {
	// At is when that was.
	At time.Time `json:"at"`

	// URL is the address to which Telegram sends; empty if there is none.
	URL string `json:"url"`

	// IPAddress is where Telegram sends them. Telegram asks DNS again every half
	// hour, so it can be old after a move; it can also be "<unknown>".
	IPAddress string `json:"ip_address,omitempty"`

	// Pending is how many updates wait to be delivered.
	Pending int `json:"pending"`

	// LastError is what Telegram last met when it delivered, and LastErrorAt when.
	// It stays after later successes: judge it by its age.
	LastError   string    `json:"last_error,omitempty"`
	LastErrorAt time.Time `json:"last_error_at,omitzero"`

	MaxConnections int  `json:"max_connections,omitempty"`
	Certificate    bool `json:"certificate"` // an uploaded one is in use
}

// Fetching is how the fetching of updates stands.
type Fetching struct {
	// Waiting is how many updates were fetched that the bot has not taken.
	Waiting int `json:"waiting"`

	// FetchedAt is when Telegram last answered getUpdates.
	FetchedAt time.Time `json:"fetched_at,omitzero"`
}

// Sent is what came of an update that the running Caddy has handed to the bot.
type Sent struct {
	// URL is the address to which it went, inside the process.
	URL string `json:"url"`

	// Status, Reason, Header and Body are the answer, as Telegram would read it. Status is 0
	// if there was none.
	Status int                 `json:"status"`
	Reason string              `json:"reason,omitempty"`
	Header map[string][]string `json:"header,omitempty"`
	Body   []byte              `json:"body,omitempty"`

	// Delivered is whether Telegram would take the update for delivered. Result says so
	// for people.
	Delivered bool   `json:"delivered"`
	Result    string `json:"result"`
}

// Recently reports whether Telegram could not deliver within the last hour.
func (t Telegram) Recently(now time.Time) bool {
	return t.LastError != "" && now.Sub(t.LastErrorAt) < time.Hour
}

// Secret is what may be told of the secret.
type Secret struct {
	// Source is kept or configured.
	Source string `json:"source"`

	// Made is when the current one was made, if that is known.
	Made time.Time `json:"made,omitzero"`

	// Due is when another one takes its place; absent for never.
	Due time.Time `json:"due,omitzero"`

	// Weak says that a configured one is shorter than 22 characters.
	Weak bool `json:"weak,omitempty"`
}

// Overdue reports whether another secret should have taken its place. A rotation
// takes a while when Telegram or storage is away.
func (s Secret) Overdue(now time.Time) bool {
	return !s.Due.IsZero() && now.Sub(s.Due) > time.Hour
}

// Storage is what a node knows of the storage that it shares with others.
type Storage struct {
	// Module is the Go type of the storage module.
	Module string `json:"module"`

	// ReadAt and WrittenAt are when this process last read and wrote a record of any bot;
	// absent for never.
	ReadAt    time.Time `json:"read_at,omitzero"`
	WrittenAt time.Time `json:"written_at,omitzero"`

	// AwaySince is since when no record can be read; absent while records can be read.
	AwaySince time.Time `json:"away_since,omitzero"`

	// Leader is the process that last compared the webhook with Telegram or changed it, for
	// all nodes; absent if that is not known.
	Leader string `json:"leader,omitempty"`
}

// Away reports whether storage cannot be read.
func (s *Storage) Away() bool { return s != nil && !s.AwaySince.IsZero() }

// Listener is what the listener wrappers of this process have done.
type Listener struct {
	// Penalized is how many addresses are barred now because they have forged.
	Penalized int `json:"penalized"`

	// Dropped counts the connections dropped since the process started by reason:
	// penalty for a barred address, address for one that is not in only.
	Dropped map[string]uint64 `json:"dropped"`
}

// Ready says whether this node can judge the requests for all of its webhooks.
type Ready struct {
	Ready bool `json:"ready"`

	// Error is why not, with the names of the webhooks that are not ready.
	Error string `json:"error,omitempty"`
}

// ReadyName is the name in the admin API that stands for all webhooks, so that none has it.
const ReadyName = "ready"

// Endpoint is where the module's part of Caddy's admin API is.
const Endpoint = "/telegram_webhook/"
