package registrar

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/caddy-telegram/telegramwebhook/internal/botapi"
	"github.com/caddy-telegram/telegramwebhook/internal/storage"
)

// Orphan is a bot that has records in storage, and no webhook in the configuration.
type Orphan struct {
	Key    string // of the records in storage
	record        // of the last registration; empty if it cannot be read
}

// FindOrphans returns the bots that have records in storage and are not configured.
func FindOrphans(ctx context.Context, s *storage.Storage, configured []string) (orphans []Orphan, err error) {
	keys, err := s.Module.List(ctx, strings.TrimSuffix(botapi.KeyPrefix, "/"), true)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("listing %s in storage: %w", botapi.KeyPrefix, err)
	}
	var found []string
	for _, key := range keys { // some storages list folders, too
		bot, file := path.Split(filepath.ToSlash(key))
		bot = strings.TrimSuffix(bot, "/")
		// A lease alone is no orphan: another node fetches the bot's updates, or it expires.
		if path.Dir(bot)+"/" == botapi.KeyPrefix && strings.HasSuffix(file, ".json") && file != "poll.json" && !slices.Contains(configured, bot) {
			found = append(found, bot)
		}
	}
	slices.Sort(found)
	for _, key := range slices.Compact(found) {
		content, err := s.Load(ctx, registrationKey(key))
		if err != nil {
			return nil, err
		}
		var rec record
		if json.Unmarshal(content, &rec) != nil || rec.Version > recordVersion {
			rec = record{}
		}
		orphans = append(orphans, Orphan{key, rec})
	}
	return orphans, nil
}

// recently is longer than the default of check.
const recently = 15 * time.Minute

// UsedElsewhere reports whether another node may have the bot in its configuration.
func (o Orphan) UsedElsewhere() bool {
	return within(o.CheckedAt, recently) && !strings.HasPrefix(o.Process, ThisNode().Name+"-")
}

// Remove removes the records from storage, under the bot's lock.
func (o Orphan) Remove(ctx context.Context, s *storage.Storage) error {
	unlock, err := s.Lock(ctx, o.Key, lockTimeout)
	if err != nil {
		return err
	}
	defer unlock(context.WithoutCancel(ctx))
	return s.Delete(ctx, o.Key, "")
}
