package registrar

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/caddyserver/certmagic"

	"github.com/caddy-telegram/telegramwebhook/internal/botapi"
	"github.com/caddy-telegram/telegramwebhook/internal/status"
	"github.com/caddy-telegram/telegramwebhook/internal/storagetest"
)

// onFaulty runs a node for so long on a storage with that fault.
func onFaulty(t *testing.T, d time.Duration, fault func(op, key string) storagetest.Fault) (*server, *storagetest.Faulty, *node) {
	t.Helper()
	api, storage := newTelegram(t), storagetest.NewFaulty(storagetest.NewMemory())
	storage.Set(fault)
	n := run(t, "a", api, storage, wanted)
	settle(d)
	return api, storage, n
}

// put writes the record as it is.
func put(t *testing.T, storage certmagic.Storage, content string) {
	t.Helper()
	if err := storage.Store(t.Context(), recordKey, []byte(content)); err != nil {
		t.Fatal(err)
	}
}

// change changes the record as another node does.
func change(t *testing.T, storage certmagic.Storage, f func(*record)) {
	t.Helper()
	content, err := storage.Load(t.Context(), recordKey)
	if err != nil {
		t.Fatal(err)
	}
	var rec record
	if err := json.Unmarshal(content, &rec); err != nil {
		t.Fatal(err)
	}
	f(&rec)
	if content, err = json.Marshal(rec); err != nil {
		t.Fatal(err)
	}
	put(t, storage, string(content))
}

// lose deletes the record.
func lose(t *testing.T, storage certmagic.Storage) {
	t.Helper()
	if err := storage.Delete(t.Context(), recordKey); err != nil {
		t.Fatal(err)
	}
}

// TestStorage loses, damages and breaks the record.
func TestStorage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		api, storage, n := onFaulty(t, time.Second, nil)
		lose(t, storage)
		settle(2 * interval)
		wantCalls(t, api, 2, "after the record was lost")
		put(t, storage, "{torn")
		settle(2 * interval)
		wantCalls(t, api, 3, "after the record was damaged")
		storage.Set(storagetest.Failing(errors.New("read-only"), "load", "store"))
		settle(2 * interval)
		n.want(t, status.Failing)
		storage.Set(nil)
		settle(2 * interval)
		n.want(t, status.Registered)
		wantCalls(t, api, 3, "after the storage was away")
	})
}

// TestFullStorage has a storage that takes nothing.
func TestFullStorage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		api, storage, n := onFaulty(t, 10*interval, storagetest.Failing(errors.New("no space left"), "store"))
		n.want(t, status.Failing)
		wantCalls(t, api, 1, "while nothing can be written")
		storage.Set(nil)
		settle(2 * interval)
		n.want(t, status.Registered)
		wantCalls(t, api, 1, "after it could be written")
	})
}

// TestPanic has a storage that panics, with a secret in what it panics with.
func TestPanic(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, storage, n := onFaulty(t, time.Second/2, func(op, _ string) storagetest.Fault {
			if op == "load" {
				panic("a storage with " + wanted.Secret)
			}
			return storagetest.Fault{}
		})
		n.want(t, status.Failing)
		if text := fmt.Sprint(n.logs.All()); !strings.Contains(text, "panic in the registrar") || strings.Contains(text, wanted.Secret) {
			t.Errorf("in the log, want the panic without the secret: %s", text)
		}
		storage.Set(nil)
		settle(5 * time.Second)
		n.want(t, status.Registered)
	})
}

// TestDeadLock has a lock that its holder never gives back.
func TestDeadLock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		storage := storagetest.NewMemory()
		if err := storage.Lock(t.Context(), botKey); err != nil {
			t.Fatal(err)
		}
		n := run(t, "a", newTelegram(t), storage, wanted)
		settle(lockTimeout + time.Second)
		n.want(t, status.Registered)
	})
}

// TestClockJump has a record from the future.
func TestClockJump(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		api, storage := newTelegram(t), storagetest.NewMemory()
		rec := record{Fingerprint: fingerprint([]byte("token"), wanted), URL: wanted.URL, Process: "b",
			RegisteredAt: time.Now().Add(24 * time.Hour), CheckedAt: time.Now().Add(24 * time.Hour)}
		content, err := json.Marshal(rec)
		if err != nil {
			t.Fatal(err)
		}
		put(t, storage, string(content))
		n := run(t, "a", api, storage, wanted)
		settle(time.Second)
		n.want(t, status.Registered)
		if api.comparisons() == 0 || api.registered().URL != wanted.URL {
			t.Error("a record from the future was believed")
		}
	})
}

// TestClockAhead has a node and a Telegram whose clocks are a little ahead.
func TestClockAhead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		api, n := alone(t, 2*time.Minute)
		ahead := time.Now().Add(10 * time.Second)
		change(t, n.Storage.Module, func(rec *record) { rec.RegisteredAt, rec.Process = ahead, "another" })
		n.Suspect()
		settle(time.Second)
		wantCalls(t, api, 1, "just after another node has registered")
		api.meet("Connection refused", time.Now().Add(interval+10*time.Second))
		settle(interval)
		settle(interval)
		if n := n.logged("updates not delivered by Telegram"); n != 1 {
			t.Errorf("an error a little ahead of this clock was told %d times", n)
		}
	})
}

// TestNewerVersion has a record of a version of which nothing is known.
func TestNewerVersion(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		api, storage := newTelegram(t), storagetest.NewMemory()
		const content = `{"version": 2, "fingerprint": {"of": "another kind"}, "more": true}`
		put(t, storage, content)
		n := run(t, "a", api, storage, wanted)
		settle(time.Hour)
		n.want(t, status.Failing)
		wantCalls(t, api, 0, "with a record of a newer version")
		if got, err := storage.Load(t.Context(), recordKey); string(got) != content {
			t.Errorf("the record was overwritten with %s (%v)", got, err)
		}
		entries := n.logs.FilterMessage("webhook not registered").All()
		if len(entries) != 1 || !strings.Contains(fmt.Sprint(entries[0].ContextMap()["remedy"]), "update this node") {
			t.Errorf("in the log: %v", entries)
		}
		lose(t, storage)
		settle(botapi.MaxBackoff * 6 / 5)
		n.want(t, status.Registered)
	})
}

// TestOlderRecord has storage return a record from before a registration: it is not made again.
func TestOlderRecord(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		api, storage, n := onFaulty(t, time.Second, nil)
		older, _ := storage.Load(t.Context(), recordKey)
		n.wanted.Store(&newer)
		settle(2 * interval)
		wantCalls(t, api, 2, "after a new configuration")
		put(t, storage, string(older))
		settle(2 * interval)
		n.want(t, status.Registered)
		wantCalls(t, api, 2, "after the older record came back")
		if content, _ := storage.Load(t.Context(), recordKey); !strings.Contains(string(content), newer.URL) {
			t.Error("the newer record was not stored again")
		}
	})
}
