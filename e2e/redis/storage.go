package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/certmagic"
	"github.com/redis/go-redis/v9"
)

const (
	lockTTL     = 5 * time.Second
	lockRefresh = 3 * time.Second
	lockPoll    = time.Second

	// closeAfter leaves what is under way when a configuration ends the time to finish.
	closeAfter = 10 * time.Second
)

func init() { caddy.RegisterModule(new(Storage)) }

// Storage is Caddy's storage in one Redis server.
type Storage struct {
	Address string `json:"address"`

	// Vague says of every record that cannot be read that it is not there.
	Vague bool `json:"vague,omitempty"`

	client *redis.Client
	mu     sync.Mutex
	held   map[string]lock
}

type lock struct {
	token string
	stop  context.CancelFunc // of the refreshing
}

func (*Storage) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "caddy.storage.redis", New: func() caddy.Module { return new(Storage) }}
}

func (s *Storage) CertMagicStorage() (certmagic.Storage, error) { return s, nil }

func (s *Storage) Provision(caddy.Context) error {
	s.held = make(map[string]lock)
	s.client = redis.NewClient(&redis.Options{Addr: s.Address, DialTimeout: 2 * time.Second, ReadTimeout: 2 * time.Second, ContextTimeoutEnabled: true})
	return nil
}

func (s *Storage) Cleanup() error {
	time.AfterFunc(closeAfter, func() { _ = s.client.Close() })
	return nil
}

// UnmarshalCaddyfile reads "redis <address> [vague]".
func (s *Storage) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	d.Next()
	args := d.RemainingArgs()
	if len(args) == 0 || len(args) > 2 || len(args) == 2 && args[1] != "vague" {
		return d.ArgErr()
	}
	s.Address, s.Vague = args[0], len(args) == 2
	return nil
}

// failure is the error of a reading.
func (s *Storage) failure(err error) error {
	if errors.Is(err, redis.Nil) || err != nil && s.Vague {
		return fs.ErrNotExist
	}
	return err
}

func (s *Storage) Store(ctx context.Context, key string, value []byte) error {
	return s.client.Set(ctx, key, value, 0).Err()
}

func (s *Storage) Load(ctx context.Context, key string) ([]byte, error) {
	value, err := s.client.Get(ctx, key).Bytes()
	return value, s.failure(err)
}

func (s *Storage) Delete(ctx context.Context, key string) error {
	keys, err := s.List(ctx, key, true)
	if err != nil {
		return err
	}
	return s.client.Del(ctx, append(keys, key)...).Err()
}

func (s *Storage) Exists(ctx context.Context, key string) bool {
	_, err := s.Stat(ctx, key)
	return err == nil
}

// List returns the keys below a prefix; without recursive, also the folders, and no more.
func (s *Storage) List(ctx context.Context, prefix string, recursive bool) (keys []string, err error) {
	scan := s.client.Scan(ctx, 0, path.Join(prefix, "*"), 100).Iterator()
	for scan.Next(ctx) {
		key := scan.Val()
		if !recursive {
			name, _, _ := strings.Cut(strings.TrimPrefix(key, prefix+"/"), "/")
			key = path.Join(prefix, name)
		}
		keys = append(keys, key)
	}
	slices.Sort(keys)
	return slices.Compact(keys), s.failure(scan.Err())
}

func (s *Storage) Stat(ctx context.Context, key string) (info certmagic.KeyInfo, err error) {
	value, err := s.Load(ctx, key)
	if err == nil {
		return certmagic.KeyInfo{Key: key, Size: int64(len(value)), IsTerminal: true}, nil
	}
	if below, _ := s.List(ctx, key, true); len(below) > 0 {
		return certmagic.KeyInfo{Key: key}, nil
	}
	return info, err
}

// own runs a command on a lock if it is still held with that token.
var own = redis.NewScript(`if redis.call("get", KEYS[1]) ~= ARGV[1] then return 0 end
if ARGV[2] == "0" then return redis.call("del", KEYS[1]) end
return redis.call("pexpire", KEYS[1], ARGV[2])`)

func (s *Storage) Lock(ctx context.Context, name string) error {
	key, token := name+".lock", rand.Text()
	for {
		taken, err := s.client.SetNX(ctx, key, token, lockTTL).Result()
		if err != nil {
			return fmt.Errorf("taking a lock: %w", err)
		}
		if taken {
			break
		}
		select {
		case <-time.After(lockPoll):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	refreshing, stop := context.WithCancel(context.Background())
	s.mu.Lock()
	defer s.mu.Unlock()
	s.held[name] = lock{token, stop}
	go func() {
		tick := time.NewTicker(lockRefresh)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				_ = own.Run(refreshing, s.client, []string{key}, token, lockTTL.Milliseconds()).Err() // the next tick tries again
			case <-refreshing.Done():
				return
			}
		}
	}()
	return nil
}

func (s *Storage) Unlock(ctx context.Context, name string) error {
	s.mu.Lock()
	held, ok := s.held[name]
	delete(s.held, name)
	s.mu.Unlock()
	if !ok {
		return errors.New("not held")
	}
	held.stop()
	return own.Run(ctx, s.client, []string{name + ".lock"}, held.token, 0).Err()
}

// Interface guards
var (
	_ caddy.Provisioner      = (*Storage)(nil)
	_ caddy.CleanerUpper     = (*Storage)(nil)
	_ caddy.StorageConverter = (*Storage)(nil)
	_ caddyfile.Unmarshaler  = (*Storage)(nil)
	_ certmagic.Storage      = (*Storage)(nil)
)
