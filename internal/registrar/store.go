package registrar

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"path"
	"strconv"
	"time"

	"github.com/caddyserver/caddy/v2"
	"go.uber.org/zap"
)

// Node is one of those that share a storage.
type Node struct {
	Name    string // stays over a restart, if the host's name and Caddy's data folder do
	Process string // is another one after a restart
}

// ThisNode names this one. Caddy's own instance ID would not do: those that ask for it
// first, at the same time, get different ones.
func ThisNode() Node {
	host, err := os.Hostname()
	if err != nil {
		host = "unnamed"
	}
	folder := sha256.Sum256([]byte(caddy.AppDataDir()))
	name := host + "-" + hex.EncodeToString(folder[:4])
	return Node{Name: name, Process: name + "-" + strconv.Itoa(os.Getpid())}
}

// lockTimeout bounds the wait for the lock. One whose holder was killed goes stale, but
// another process that held it shortly before may keep it fresh for ever.
const lockTimeout = 20 * time.Second

// lock takes the bot's lock and returns what gives it back, even when the context
// has ended by then.
func (r *Registrar) lock(ctx context.Context) (unlock func(), err error) {
	release, err := r.Storage.Lock(ctx, r.Prefix, lockTimeout)
	if err != nil {
		return nil, err
	}
	return func() {
		ctx, cancel := withGrace(ctx)
		defer cancel()
		release(ctx)
	}, nil
}

// grace is how long a call may go on when its configuration ends.
const grace = 2 * time.Second

// withGrace returns a context that outlasts ctx by the grace, to finish what was begun.
func withGrace(ctx context.Context) (context.Context, context.CancelFunc) {
	longer, cancel := context.WithCancel(context.WithoutCancel(ctx))
	stop := context.AfterFunc(ctx, func() { time.AfterFunc(grace, cancel) })
	return longer, func() { stop(); cancel() }
}

// recordVersion rises when an older version would misread what a newer one writes.
const recordVersion = 1

func (c *Config) recordKey() string { return path.Join(c.Prefix, "registration.json") }

// loadRecord reads the record. One that is not there is empty, and so is a damaged one: the
// next registration replaces it. A process does not go back to an older record, which a
// storage may still return, or return again because it did not take the newer one.
func (r *Registrar) loadRecord(ctx context.Context) (rec record, err error) {
	key, load, known := r.recordKey(), r.Storage.Load, r.Memory.known.Load()
	if known != nil {
		load = r.Storage.Find
	}
	content, err := load(ctx, key)
	if err != nil {
		return rec, err
	}
	damaged := content != nil && json.Unmarshal(content, &rec) != nil
	if rec.Version > recordVersion { // of which the rest may be of other types
		return record{}, fmt.Errorf("%s %w", key, errNewer)
	}
	if damaged && !r.reportedDamage {
		r.Logger.Error("damaged registration record in storage", zap.String("key", key))
	}
	r.reportedDamage = damaged
	switch {
	case content == nil && known != nil && known.unstored:
		return *known, nil
	case damaged || content == nil:
		rec = record{}
		if known != nil {
			rec.Revision = known.Revision
		}
		if known != nil && known.Fingerprint != "" && !damaged {
			r.Logger.Warn("registration record missing from storage", zap.String("key", key))
		}
	case known != nil && rec.Revision < known.Revision:
		return *known, nil
	}
	rec.forgetFuture(time.Now())
	if known != nil || content != nil {
		r.Memory.known.Store(&rec)
	}
	return rec, nil
}

// saveRecord writes the record. One that cannot be written is known all the same, so that a
// storage that is read-only or full does not make every attempt a registration.
func (r *Registrar) saveRecord(ctx context.Context, rec record) error {
	ctx, cancel := withGrace(ctx)
	defer cancel()
	rec.Version = recordVersion
	content, err := json.Marshal(rec)
	if err == nil {
		err = r.Storage.Store(ctx, r.recordKey(), content)
	}
	rec.unstored = err != nil
	r.Memory.known.Store(&rec)
	return err
}
