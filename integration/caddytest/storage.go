package caddytest

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/certmagic"

	"github.com/caddy-telegram/telegramwebhook/internal/storagetest"
)

// WriteFile writes a file that its owner alone may read.
func WriteFile(name, content string) error { return os.WriteFile(name, []byte(content), 0o600) }

// ReadFile reads a file.
func ReadFile(t testing.TB, name string) string {
	t.Helper()
	content, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}

// faultyStorage is Caddy's file storage with faults for the bots' keys, which a
// file tells: a line for each operation (load, store, lock), with the end of a key
// behind a colon if it is about some only, and "fail" or how long it takes.
type faultyStorage struct {
	Root string `json:"root,omitempty"`
}

func init() { caddy.RegisterModule(new(faultyStorage)) }

func (*faultyStorage) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "caddy.storage.test_faulty", New: func() caddy.Module { return new(faultyStorage) }}
}

func (s *faultyStorage) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	d.Next()
	if !d.Args(&s.Root) {
		return d.ArgErr()
	}
	return nil
}

// CertMagicStorage satisfies caddy.StorageConverter.
func (s *faultyStorage) CertMagicStorage() (certmagic.Storage, error) {
	storage := storagetest.NewFaulty(&certmagic.FileStorage{Path: s.Root})
	storage.Set(func(op, key string) storagetest.Fault {
		if !strings.HasPrefix(key, "telegram_webhook/") {
			return storagetest.Fault{}
		}
		commands, _ := os.ReadFile(filepath.Join(s.Root, "faults"))
		for line := range strings.Lines(string(commands)) {
			of, what, _ := strings.Cut(strings.TrimSpace(line), " ")
			of, end, _ := strings.Cut(of, ":")
			if of != op || !strings.HasSuffix(key, end) {
				continue
			}
			if delay, err := time.ParseDuration(what); err == nil {
				return storagetest.Fault{Delay: delay}
			}
			return storagetest.Fault{Err: errors.New("a fault on command")}
		}
		return storagetest.Fault{}
	})
	return storage, nil
}

// StorageFolder is a folder for a storage that is not the default one, or that several Caddys share.
func StorageFolder(t testing.TB) string {
	t.Helper()
	folder := t.TempDir()
	if err := storagetest.SkipCleaning(folder); err != nil {
		t.Fatal(err)
	}
	return folder
}

// SecretRecord is the one record of kept secrets below a storage folder.
func SecretRecord(t testing.TB, root string) string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(root, "telegram_webhook/*/secret.json"))
	if err != nil || len(files) != 1 {
		t.Fatalf("records of kept secrets: %v, %v, want one", files, err)
	}
	return files[0]
}

// ParseSecretRecord reads a record of kept secrets; what is not there is empty.
func ParseSecretRecord(content []byte) (current, next string, previous []string) {
	var record struct {
		Current, Next struct{ Value string }
		Previous      []struct{ Value string }
	}
	_ = json.Unmarshal(content, &record)
	for _, p := range record.Previous {
		previous = append(previous, p.Value)
	}
	return record.Current.Value, record.Next.Value, previous
}
