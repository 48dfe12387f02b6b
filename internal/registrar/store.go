package registrar

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"strconv"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/certmagic"
	"go.uber.org/zap"

	"github.com/caddy-telegram/telegramwebhook/internal/botapi"
)

// Key names a bot in storage, and in a process: the same bot is another one in
// the test environment, and on a Bot API server of one's own. A hash stands for
// the server, whose URL may have a password in it.
func Key(botID int64, test bool, api string) string {
	key := "telegram_webhook/" + strconv.FormatInt(botID, 10)
	if test {
		key += "-test"
	}
	if !botapi.IsTelegram(api) {
		sum := sha256.Sum256([]byte(api))
		key += "-" + hex.EncodeToString(sum[:4])
	}
	return key
}

// Node is one of those that share a storage.
type Node struct {
	Name    string // stays over a restart, if the host's name and Caddy's data folder do
	Process string // is another one after a restart
}

// ThisNode names this one. Caddy's own instance ID would not do: of those that
// ask for it first, at the same time, each gets another one.
func ThisNode() Node {
	host, err := os.Hostname()
	if err != nil {
		host = "unnamed"
	}
	folder := sha256.Sum256([]byte(caddy.AppDataDir()))
	name := host + "-" + hex.EncodeToString(folder[:4])
	return Node{Name: name, Process: name + "-" + strconv.Itoa(os.Getpid())}
}

// store keeps a bot's record.
type store struct {
	storage certmagic.Storage
	prefix  string // the bot's own keys
}

func (s store) key() string  { return path.Join(s.prefix, "registration.json") }
func (s store) lock() string { return s.prefix }

// recordVersion is that of the records written here. It rises when an older
// version would spoil or misread what a newer one has written.
const recordVersion = 1

var (
	// errDamaged is a record that cannot be read. What Telegram has is not known then.
	errDamaged = errors.New("the record in storage is damaged")

	// errNewer marks a record that is left to the nodes that understand it.
	errNewer = errors.New("")
)

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
	var version struct {
		Version int `json:"version"`
	}
	if json.Unmarshal(content, &version) == nil && version.Version > recordVersion {
		return record{}, fmt.Errorf("%w%s in storage is from a newer version of telegram_webhook, to whose nodes the registration is left", errNewer, s.key())
	}
	if err := json.Unmarshal(content, &rec); err != nil {
		return record{}, errDamaged
	}
	rec.limit(time.Now())
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

// load reads the record, or takes the one that could not be written.
func (r *Registrar) load(ctx context.Context) (record, error) {
	rec, err := r.store.load(ctx)
	damaged := errors.Is(err, errDamaged)
	if damaged {
		if !r.damaged {
			r.Logger.Error("record in storage damaged; it is replaced", zap.String("key", r.store.key()))
		}
		err = nil
	}
	r.damaged = damaged
	if r.unsaved != nil && !rec.RegisteredAt.After(r.unsaved.RegisteredAt) {
		rec = *r.unsaved
	}
	return rec, err
}

// save writes the record. One that cannot be written is remembered, so that a
// storage that is read-only or full does not make every attempt a registration.
func (r *Registrar) save(ctx context.Context, rec record) error {
	ctx, cancel := beyond(ctx)
	defer cancel()
	err := r.store.save(ctx, rec)
	r.unsaved = nil
	if err != nil {
		r.unsaved = &rec
	}
	return err
}
