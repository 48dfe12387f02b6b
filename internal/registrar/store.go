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

// Node is a Caddy among those that share a storage.
type Node struct {
	Name    string // the same after a restart, as long as the host's name and Caddy's data folder are
	Process string // another one after a restart
}

// ThisNode returns this node. It does not use Caddy's instance ID, of which the first
// concurrent callers get different ones.
func ThisNode() Node {
	host, err := os.Hostname()
	if err != nil {
		host = "unnamed"
	}
	folder := sha256.Sum256([]byte(caddy.AppDataDir()))
	name := host + "-" + hex.EncodeToString(folder[:4])
	return Node{Name: name, Process: name + "-" + strconv.Itoa(os.Getpid())}
}

// lockTimeout bounds the wait for the lock. The lock of a killed process becomes stale, but
// another process that held it before may keep it fresh for ever.
const lockTimeout = 20 * time.Second

// lock takes the bot's lock. It can be released after the end of the context.
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

// grace is the time that a call may take after the end of its configuration.
const grace = 2 * time.Second

// withGrace returns a context that outlasts ctx by the grace.
func withGrace(ctx context.Context) (context.Context, context.CancelFunc) {
	longer, cancel := context.WithCancel(context.WithoutCancel(ctx))
	stop := context.AfterFunc(ctx, func() { time.AfterFunc(grace, cancel) })
	return longer, func() { stop(); cancel() }
}

// recordVersion is raised for a format that older versions would misread.
const recordVersion = 1

func registrationKey(prefix string) string { return path.Join(prefix, "registration.json") }

// loadRecord reads the record. A missing or damaged one is empty, until the next registration replaces it. A process
// never goes back to an older record: storage may return an old copy, or may have failed to write the newer one.
func (r *Registrar) loadRecord(ctx context.Context) (rec record, err error) {
	key, load, known := registrationKey(r.Prefix), r.Storage.Find, r.Memory.known.Load()
	first := known == nil
	if first {
		load, known = r.Storage.Load, new(record)
	}
	content, err := load(ctx, key)
	if err != nil {
		return rec, err
	}
	damaged := content != nil && json.Unmarshal(content, &rec) != nil
	if rec.Version > recordVersion { // other fields may have other types
		return record{}, fmt.Errorf("%s %w", key, errNewer)
	}
	if damaged && !r.reportedDamage {
		r.Logger.Error("damaged registration record in storage", zap.String("key", key))
	}
	r.reportedDamage = damaged
	switch {
	case content == nil && known.unstored:
		return *known, nil
	case damaged || content == nil:
		rec = record{Revision: known.Revision}
		if known.Fingerprint != "" && !damaged {
			r.Logger.Warn("registration record missing from storage", zap.String("key", key))
		}
	case rec.Revision < known.Revision:
		return *known, nil
	}
	rec.forgetFuture(time.Now())
	if !first || content != nil {
		r.Memory.known.Store(&rec)
	}
	return rec, nil
}

// saveRecord writes the record, and keeps it in memory even if that fails: with storage
// read-only or full, each attempt would register again.
func (r *Registrar) saveRecord(ctx context.Context, rec record) error {
	ctx, cancel := withGrace(ctx)
	defer cancel()
	rec.Version = recordVersion
	content, err := json.Marshal(rec)
	if err == nil {
		err = r.Storage.Store(ctx, registrationKey(r.Prefix), content)
	}
	rec.unstored = err != nil
	r.Memory.known.Store(&rec)
	return err
}
