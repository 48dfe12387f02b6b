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

// record is a bot's registration, for the nodes that share a storage. It holds no secret: a
// fingerprint stands for the registered parameters.
type record struct {
	Version      int       `json:"version"`
	Revision     int64     `json:"revision"`           // grows with every registration
	Fingerprint  string    `json:"fingerprint"`        // of the configuration
	Secret       string    `json:"secret_fingerprint"` // of the secret alone, which a rotation changes
	URL          string    `json:"url"`
	RegisteredBy string    `json:"registered_by"`
	Deleted      bool      `json:"deleted,omitempty"` // by a person
	Process      string    `json:"process"`           // that last compared with Telegram
	RegisteredAt time.Time `json:"registered_at"`
	CheckedAt    time.Time `json:"checked_at"`

	// Interval is the time between the checks of this configuration's nodes, 0 for none.
	// FailedAt is the last time that Telegram could not be reached: the node is active.
	Interval time.Duration `json:"interval,omitempty"`
	FailedAt time.Time     `json:"failed_at,omitzero"`

	// PausedUntil is the end of a pause that Telegram asked for.
	PausedUntil time.Time `json:"paused_until,omitzero"`

	// Seen is the answer to getWebhookInfo after the registration. Later answers are compared with it and not with the
	// parameters, since Telegram leaves out the default list of types and drops unknown types.
	Seen *botapi.WebhookInfo `json:"seen,omitempty"`

	// Told is Telegram's last answer, at ToldAt, for the other nodes.
	Told   *botapi.WebhookInfo `json:"told,omitempty"`
	ToldAt time.Time           `json:"told_at,omitzero"`

	// Nodes are the participants, the latest last.
	Nodes []participant `json:"nodes,omitempty"`

	// Repairs are the times of the last repairs. Contested is the webhook found when there were too many.
	Repairs   []time.Time `json:"repairs,omitempty"`
	Contested string      `json:"contested,omitempty"`

	unstored bool // writing it failed
}

// forgetFuture clears the times that a node with a wrong clock has written more than an hour ahead.
func (rec *record) forgetFuture(now time.Time) {
	future := func(at time.Time) bool { return at.After(now.Add(time.Hour)) }
	if rec.Told != nil && (future(rec.ToldAt) || future(rec.Told.LastErrorDate)) {
		rec.Told = nil
	}
	for _, at := range []*time.Time{&rec.RegisteredAt, &rec.CheckedAt, &rec.ToldAt, &rec.FailedAt, &rec.PausedUntil} {
		if future(*at) {
			*at = time.Time{}
		}
	}
	rec.Repairs = slices.DeleteFunc(slices.Clone(rec.Repairs), future)
}

// maxNodes bounds the list of participants: a container has a new name after each start.
const maxNodes = 100

// participant is a node and the last registration that it took part in. After a restart, a
// node tells a superseded configuration from a new one by it.
type participant struct {
	Node        string `json:"node"`
	Fingerprint string `json:"fingerprint"`
}

// unchanged reports whether Telegram still has the registered webhook. The secret is not in its answer.
func (rec *record) unchanged(info botapi.WebhookInfo, want botapi.Webhook) bool {
	s := rec.Seen
	return info.URL == want.URL && (want.IPAddress == "" || info.IPAddress == want.IPAddress) &&
		(s == nil || slices.Equal(s.AllowedUpdates, info.AllowedUpdates) &&
			s.MaxConnections == info.MaxConnections && s.HasCustomCertificate == info.HasCustomCertificate)
}

// lastActive returns the last time that a node of the record's configuration was active.
func (rec *record) lastActive() time.Time {
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

// maxRepairs is the number of repairs within a window that make a fight with another installation, which loses updates.
const maxRepairs = 3

// repairedOften reports whether another repair would be part of a fight. A fight is over
// when the last repair is older than the window.
func (rec *record) repairedOften(interval time.Duration) bool {
	window := max(10*time.Minute, 4*interval) // repairs are an interval apart
	rec.Repairs = slices.DeleteFunc(slices.Clone(rec.Repairs), func(at time.Time) bool { return !within(at, window) })
	return len(rec.Repairs) >= maxRepairs || rec.Contested != "" && len(rec.Repairs) > 0
}

// fingerprint stands for a registration, secret and certificate included.
func fingerprint(key []byte, w botapi.Webhook) string {
	encoded, _ := json.Marshal(w) // strings and numbers always have a JSON form
	return authenticate(key, encoded)
}

// authenticate returns a keyed hash. The key keeps readers of the storage from trying secrets on it.
func authenticate(key, content []byte) string {
	mac := hmac.New(sha256.New, key)
	mac.Write(content)
	return hex.EncodeToString(mac.Sum(nil))
}

// within reports whether at is less than d away from now, before or after: the clock of
// another node or of Telegram may be a little ahead.
func within(at time.Time, d time.Duration) bool {
	return time.Since(at).Abs() < d
}
