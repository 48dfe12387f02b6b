package registrar

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"slices"
	"strconv"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/certmagic"

	"github.com/caddy-telegram/telegramwebhook/internal/botapi"
)

// record is what the nodes that share a storage know of a bot's registration.
// It holds no secret: a fingerprint stands for all that was registered.
type record struct {
	Version      int       `json:"version"`
	Fingerprint  string    `json:"fingerprint"`
	URL          string    `json:"url"`
	Node         string    `json:"node"`
	RegisteredAt time.Time `json:"registered_at"`
	CheckedAt    time.Time `json:"checked_at"`

	// Seen is what getWebhookInfo said after the registration. It is what later
	// answers are compared with, since Telegram leaves out a list of types that
	// is its default, and forgets types that it does not know.
	Seen *seen `json:"seen,omitempty"`
}

// seen is the part of getWebhookInfo that only setWebhook changes.
type seen struct {
	AllowedUpdates       []string `json:"allowed_updates,omitempty"`
	MaxConnections       int      `json:"max_connections"`
	HasCustomCertificate bool     `json:"has_custom_certificate"`
}

func see(info botapi.WebhookInfo) seen {
	return seen{info.AllowedUpdates, info.MaxConnections, info.HasCustomCertificate}
}

// with returns the record with what Telegram has said, if it has not said it before.
func (rec record) with(info botapi.WebhookInfo) record {
	if rec.Seen == nil {
		s := see(info)
		rec.Seen = &s
	}
	return rec
}

// unchanged reports whether Telegram still has what was registered. Whether it
// has the secret too cannot be asked.
func (rec record) unchanged(info botapi.WebhookInfo, want botapi.Webhook) bool {
	now := see(info)
	return info.URL == want.URL &&
		(want.IPAddress == "" || info.IPAddress == want.IPAddress) &&
		(rec.Seen == nil || slices.Equal(rec.Seen.AllowedUpdates, now.AllowedUpdates) &&
			rec.Seen.MaxConnections == now.MaxConnections &&
			rec.Seen.HasCustomCertificate == now.HasCustomCertificate)
}

const recordVersion = 1

// fingerprint stands for a registration, secret and certificate included. It is
// keyed by the token, so that nobody who reads the storage can try secrets on it.
func fingerprint(key []byte, w botapi.Webhook) string {
	mac := hmac.New(sha256.New, key)
	// A struct of strings and numbers always has a JSON form.
	encoded, _ := json.Marshal(w)
	mac.Write(encoded)
	return hex.EncodeToString(mac.Sum(nil))
}

// Key names a bot in storage, and in a process: the same bot is another one in
// the test environment, and on a Bot API server of one's own. A hash stands for
// the server, whose URL may have a password in it.
func Key(botID int64, test bool, api string) string {
	key := "telegram_webhook/" + strconv.FormatInt(botID, 10)
	if test {
		key += "-test"
	}
	if api != botapi.DefaultAPI {
		sum := sha256.Sum256([]byte(api))
		key += "-" + hex.EncodeToString(sum[:4])
	}
	return key
}

// ThisNode names this process in the record.
func ThisNode() string {
	pid := strconv.Itoa(os.Getpid())
	id, err := caddy.InstanceID()
	if err != nil {
		return pid
	}
	return id.String()[:8] + "-" + pid
}

// store keeps a bot's record.
type store struct {
	storage certmagic.Storage
	prefix  string // the bot's own keys
}

func (s store) key() string  { return path.Join(s.prefix, "registration.json") }
func (s store) lock() string { return s.prefix }

// errDamaged is a record that cannot be read. What Telegram has is not known then.
var errDamaged = errors.New("the record in storage is damaged")

// load reads the record. One that is not there is empty; so is a damaged one,
// which the next registration replaces.
func (s store) load(ctx context.Context) (record, error) {
	var rec record
	content, err := s.storage.Load(ctx, s.key())
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return record{}, nil
	case err != nil:
		return record{}, fmt.Errorf("reading %s from storage: %w", s.key(), err)
	}
	if err := json.Unmarshal(content, &rec); err != nil {
		return record{}, errDamaged
	}
	return rec, nil
}

func (s store) save(ctx context.Context, rec record) error {
	rec.Version = recordVersion
	content, err := json.Marshal(rec)
	if err != nil {
		return err
	}
	if err := s.storage.Store(ctx, s.key(), content); err != nil {
		return fmt.Errorf("writing %s to storage: %w", s.key(), err)
	}
	return nil
}

// within reports whether at is less than d ago. A time in the future, left by a
// clock that was wrong, is not.
func within(at time.Time, d time.Duration) bool {
	age := time.Since(at)
	return age >= 0 && age < d
}
