package registrar

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"slices"
	"time"

	"github.com/caddy-telegram/telegramwebhook/internal/botapi"
)

// record is what the nodes that share a storage know of a bot's registration.
// It holds no secret: a fingerprint stands for all that was registered.
type record struct {
	Version      int       `json:"version"`
	Revision     int64     `json:"revision"`           // grows with every registration
	Fingerprint  string    `json:"fingerprint"`        // of the configuration
	Secret       string    `json:"secret_fingerprint"` // changes without another configuration, when a secret is renewed
	URL          string    `json:"url"`
	RegisteredBy string    `json:"registered_by"`
	Deleted      bool      `json:"deleted,omitempty"` // on demand
	Process      string    `json:"process"`           // that has looked last
	RegisteredAt time.Time `json:"registered_at"`
	CheckedAt    time.Time `json:"checked_at"`

	// Interval is the time between the checks of this configuration's nodes, 0 for none, and
	// FailedAt when one of them last could not reach Telegram: a sign that it is there.
	Interval time.Duration `json:"interval,omitempty"`
	FailedAt time.Time     `json:"failed_at,omitzero"`

	// PausedUntil is until when Telegram wants no call for the bot.
	PausedUntil time.Time `json:"paused_until,omitzero"`

	// Seen is what getWebhookInfo said after the registration. It is what later
	// answers are compared with, since Telegram leaves out a list of types that
	// is its default, and forgets types that it does not know.
	Seen *seen `json:"seen,omitempty"`

	// Told is what Telegram last said, at ToldAt, for the nodes that have not asked.
	Told   *botapi.WebhookInfo `json:"told,omitempty"`
	ToldAt time.Time           `json:"told_at,omitzero"`

	// Nodes are those that have taken part, the latest last.
	Nodes []participant `json:"nodes,omitempty"`

	// Repairs is when the webhook was taken back, and Contested what was found in
	// its place when that had been too often.
	Repairs   []time.Time `json:"repairs,omitempty"`
	Contested string      `json:"contested,omitempty"`

	unstored bool // storage did not take it
}

// forgetFuture corrects what a node with a wrong clock has written: a time more than
// an hour ahead counts as unknown.
func (rec *record) forgetFuture(now time.Time) {
	future := func(at time.Time) bool { return at.After(now.Add(time.Hour)) }
	for _, at := range []*time.Time{&rec.RegisteredAt, &rec.CheckedAt, &rec.ToldAt, &rec.FailedAt, &rec.PausedUntil} {
		if future(*at) {
			*at = time.Time{}
		}
	}
	if rec.Told != nil && future(rec.Told.LastErrorDate) {
		rec.Told = nil
	}
	rec.Repairs = slices.DeleteFunc(slices.Clone(rec.Repairs), future)
}

// maxNodes bounds the list of participants: containers have a new name each time.
const maxNodes = 100

// participant is a node and the last registration that it had a part in. By it a node
// that is restarted tells a configuration that was superseded from one that is new to it.
type participant struct {
	Node        string `json:"node"`
	Fingerprint string `json:"fingerprint"`
}

// seen is the part of getWebhookInfo that only setWebhook changes.
type seen struct {
	AllowedUpdates       []string `json:"allowed_updates,omitempty"`
	MaxConnections       int      `json:"max_connections"`
	HasCustomCertificate bool     `json:"has_custom_certificate"`
}

// see keeps what Telegram has said, if it has not said it before.
func (rec *record) see(info botapi.WebhookInfo) {
	if rec.Seen == nil {
		rec.Seen = &seen{info.AllowedUpdates, info.MaxConnections, info.HasCustomCertificate}
	}
}

// unchanged reports whether Telegram still has what was registered. Whether it
// has the secret too cannot be asked.
func (rec *record) unchanged(info botapi.WebhookInfo, want botapi.Webhook) bool {
	s := rec.Seen
	return info.URL == want.URL && (want.IPAddress == "" || info.IPAddress == want.IPAddress) &&
		(s == nil || slices.Equal(s.AllowedUpdates, info.AllowedUpdates) &&
			s.MaxConnections == info.MaxConnections && s.HasCustomCertificate == info.HasCustomCertificate)
}

// lastSign is when a node of the record's configuration was last at work.
func (rec *record) lastSign() time.Time {
	if rec.FailedAt.After(rec.CheckedAt) {
		return rec.FailedAt
	}
	return rec.CheckedAt
}

// markChecked records that a node has compared with Telegram, or changed it.
func (rec *record) markChecked(by Node, interval time.Duration) {
	rec.Process, rec.CheckedAt, rec.Interval = by.Process, time.Now(), interval
	rec.Nodes = slices.DeleteFunc(slices.Clone(rec.Nodes), func(p participant) bool { return p.Node == by.Name })
	rec.Nodes = append(rec.Nodes, participant{by.Name, rec.Fingerprint})
	rec.Nodes = rec.Nodes[max(0, len(rec.Nodes)-maxNodes):]
}

// maxRepairs is how many repairs within a window are a fight, which loses updates:
// somebody else registers the bot too.
const maxRepairs = 3

// repairedOften reports whether another repair would be part of a fight. Once there
// is one, the webhook is left alone until the last repair is that long ago.
func (rec *record) repairedOften(interval time.Duration) bool {
	window := max(10*time.Minute, 4*interval) // repairs are an interval apart
	rec.Repairs = slices.DeleteFunc(slices.Clone(rec.Repairs), func(at time.Time) bool { return !within(at, window) })
	return len(rec.Repairs) >= maxRepairs || rec.Contested != "" && len(rec.Repairs) > 0
}

// fingerprint stands for a registration, secret and certificate included. With the key,
// nobody who reads the storage can try secrets on it.
func fingerprint(key []byte, w botapi.Webhook) string {
	mac := hmac.New(sha256.New, key)
	encoded, _ := json.Marshal(w) // strings and numbers always have a JSON form
	mac.Write(encoded)
	return hex.EncodeToString(mac.Sum(nil))
}

// within reports whether at is less than d away from now. Another node's clock,
// or Telegram's, may be a little ahead; one that was far ahead is not believed.
func within(at time.Time, d time.Duration) bool {
	return time.Since(at).Abs() < d
}
