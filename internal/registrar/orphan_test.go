package registrar

import (
	"encoding/json"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/zap"

	"github.com/caddy-telegram/telegramwebhook/internal/storage"
	"github.com/caddy-telegram/telegramwebhook/internal/storagetest"
)

// TestOrphans finds the bots that storage knows, and removes one of them alone.
func TestOrphans(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		memory := storagetest.NewMemory()
		shared := &storage.Storage{Module: memory, Health: new(storage.Health), Logger: zap.NewNop()}
		now := time.Now().UTC()
		store := func(key string, rec record) {
			t.Helper()
			content, err := json.Marshal(rec)
			if err == nil {
				err = memory.Store(t.Context(), "telegram_webhook/"+key, content)
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		node := ThisNode()
		store("1/registration.json", record{URL: "https://1.example.com/", RegisteredBy: "web-7", RegisteredAt: now, CheckedAt: now.Add(-time.Hour), Process: "web-7"})
		store("1/secret.json", record{})
		store("12/registration.json", record{Deleted: true, CheckedAt: now, Process: node.Process})
		store("13-test/registration.json", record{CheckedAt: now.Add(-time.Minute), Process: "web-7"})
		store("14/registration.json", record{Version: recordVersion + 1, URL: "https://14.example.com/"})
		store("15/registration.json", record{URL: "https://15.example.com/"})
		store("16/poll.json", record{})
		store("17.lock", record{})
		store("stray.json", record{})
		store("18/below/secret.json", record{})

		find := func() (found []string) {
			t.Helper()
			orphans, err := FindOrphans(t.Context(), shared, []string{"telegram_webhook/15"})
			if err != nil {
				t.Fatal(err)
			}
			for _, o := range orphans {
				found = append(found, fmt.Sprintf("%s %s %s %v %v", o.Key[len("telegram_webhook/"):], o.URL, o.RegisteredBy, o.Deleted, o.UsedElsewhere()))
			}
			return found
		}
		const rest = "12   true false 13-test   false true 14   false false]"
		if got := fmt.Sprint(find()); got != "[1 https://1.example.com/ web-7 false false "+rest {
			t.Errorf("found %s", got)
		}

		// Whoever works for the bot has the lock.
		one := Orphan{Key: "telegram_webhook/1"}
		if err := memory.Lock(t.Context(), one.Key); err != nil {
			t.Fatal(err)
		}
		ended := make(chan error, 1)
		go func() { ended <- one.Remove(t.Context(), shared) }()
		synctest.Wait()
		if !memory.Exists(t.Context(), one.Key+"/secret.json") {
			t.Error("removed without the lock")
		}
		if err := memory.Unlock(t.Context(), one.Key); err != nil {
			t.Fatal(err)
		}
		if err := <-ended; err != nil {
			t.Error(err)
		}
		if got := fmt.Sprint(find()); got != "["+rest {
			t.Errorf("after the removal %s", got)
		}
		if err := memory.Lock(t.Context(), one.Key); err != nil {
			t.Errorf("the lock is not given back: %v", err)
		}

		away := storagetest.NewFaulty(memory)
		shared.Module = away
		away.Set(storagetest.Failing(errors.New("away"), "load"))
		if _, err := FindOrphans(t.Context(), shared, nil); err == nil {
			t.Error("no error though storage is away")
		}
	})
}
