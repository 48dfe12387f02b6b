package secret

import (
	"errors"
	"io/fs"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/caddy-telegram/telegramwebhook/internal/storagetest"
)

var errAway = errors.New("storage is away")

// given is a storage with a record, and the secret in it.
func given(t *testing.T) (*storagetest.Faulty, string) {
	storage := storagetest.NewFaulty(storagetest.NewMemory())
	return storage, newNode(t, storage).register()
}

// TestStorageAway goes on with what is in memory, and is not ready without.
func TestStorageAway(t *testing.T) {
	for name, fault := range map[string]func(op, key string) storagetest.Fault{
		"fails": storagetest.Failing(errAway, "load", "store", "lock"),
		"hangs": func(string, string) storagetest.Fault { return storagetest.Fault{Delay: time.Hour} },
		"slow and then fails": func(string, string) storagetest.Fault {
			return storagetest.Fault{Delay: 9 * time.Second, Err: errAway}
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				storage, value := given(t)
				knows, fresh := newNode(t, storage), newNode(t, storage)
				knows.want(value, "current")
				time.Sleep(readInterval)
				storage.Set(fault)
				for range 10 {
					knows.want(value, "current")
					if got := knows.judge("of_a_node_never_met"); got != "missing" && got != "doubtful" {
						t.Errorf("a secret that a node unknown to this one may have made is %s", got)
					}
					fresh.want(value, "not ready")
					time.Sleep(readInterval)
				}
				time.Sleep(readTimeout)
				knows.wantLog("storage away", 1)
				fresh.wantLog("storage away", 1)

				storage.Set(nil)
				time.Sleep(readTimeout + readInterval)
				fresh.want(value, "current")
				fresh.wantLog("storage back", 1)
			})
		})
	}
}

// TestSlowStorage answers genuine requests as soon as storage answers, and does
// not pile forgeries up behind it.
func TestSlowStorage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		storage, value := given(t)
		n := newNode(t, storage)
		storage.Set(func(string, string) storagetest.Fault { return storagetest.Fault{Delay: readWait / 2} })
		for range 2 * maxWaiting {
			go n.Refresh(t.Context())
		}
		synctest.Wait()
		if waiting := n.Memory.waiting.Load(); waiting != maxWaiting {
			t.Errorf("%d requests wait, want %d", waiting, maxWaiting)
		}
		time.Sleep(readWait)
		synctest.Wait()
		n.want(value, "current")
		if waiting := n.Memory.waiting.Load(); waiting != 0 {
			t.Errorf("%d requests still wait", waiting)
		}
	})
}

// TestReadOnlyStorage registers nothing that other nodes could not know.
func TestReadOnlyStorage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		storage, value := given(t)
		storage.Set(storagetest.Failing(errAway, "store"))
		n := newNode(t, storage)
		got, err := n.Advance(t.Context(), true, nil)
		if got != value || !errors.Is(err, errAway) {
			t.Errorf("registers %v and says %v, want the current one and that storage is away", got != value, err)
		}
		n.want(value, "current")
		storage.Set(nil)
		if n.register(); n.Status().Rotating {
			t.Error("a rotation that could not be stored has begun")
		}
		n.rotate()
		time.Sleep(settleTime)
		if n.register() == value {
			t.Error("not rotated, though storage is back")
		}

		empty := storagetest.NewFaulty(storagetest.NewMemory())
		empty.Set(storagetest.Failing(errAway, "store"))
		n = newNode(t, empty)
		if got, err := n.Advance(t.Context(), false, nil); got != "" || !errors.Is(err, errAway) {
			t.Errorf("got %q and %v, want no secret and that storage is away", got, err)
		}
		n.want("whatever", "not ready")
	})
}

// TestFullAtTheLastStep has storage take the next secret, but not that it is the
// current one.
func TestFullAtTheLastStep(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		storage, first := given(t)
		n := newNode(t, storage)
		n.rotate()
		time.Sleep(settleTime)
		second := n.advance()
		storage.Set(storagetest.Failing(errAway, "store"))
		if _, err := n.Registered(t.Context(), second); !errors.Is(err, errAway) {
			t.Errorf("got %v, want that storage is away", err)
		}
		time.Sleep(time.Hour)
		n.want(first, "current")
		n.want(second, "next")
		storage.Set(nil)
		if n.register() != second {
			t.Error("the rotation was given up")
		}
		n.want(first, "previous")
	})
}

// TestDamagedRecord sets it aside and goes on with what is in memory, or else
// with a new secret.
func TestDamagedRecord(t *testing.T) {
	for _, content := range []string{"", "{torn", `{"version":1}`, `{"version":1,"current":{"value":"with a space"}}`, "null", "[]",
		`{"version":1,"current":{"value":"fine_0123456789"},"previous":[{"value":""}]}`, strings.Repeat("\x00", 512)} {
		t.Run(content, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				storage, value := given(t)
				knows, fresh := newNode(t, storage), newNode(t, storage)
				knows.want(value, "current")
				_ = storage.Store(t.Context(), recordKey, []byte(content))
				knows.telegram = value
				fresh.want(value, "not ready")
				time.Sleep(readInterval)
				knows.want("forged", "missing")

				if got := knows.register(); got != value {
					t.Error("another secret, though this one was in memory")
				}
				knows.wantLog("damaged secrets in storage set aside", 1)
				keys, _ := storage.List(t.Context(), prefix, true)
				if len(keys) != 2 {
					t.Fatalf("keys in storage: %v, want the record and the damaged one", keys)
				}
				if aside, _ := storage.Load(t.Context(), keys[0]); string(aside) != content {
					t.Errorf("%s holds %q, want what was damaged", keys[0], aside)
				}

				time.Sleep(time.Minute)
				_ = storage.Store(t.Context(), recordKey, []byte(content))
				if got := newNode(t, storage).register(); got == value || Check(got) != nil {
					t.Error("no new secret, though none was known")
				}
			})
		})
	}
}

// TestNewerRecord leaves alone what a newer version has written.
func TestNewerRecord(t *testing.T) {
	storage, value := given(t)
	knows, fresh := newNode(t, storage), newNode(t, storage)
	knows.want(value, "current")
	const newer = `{"version":2,"current":"of another form"}`
	const later = `{"version":2,"current":{"value":"fine_0123456789"}}`
	for _, content := range []string{newer, later} {
		_ = storage.Store(t.Context(), recordKey, []byte(content))
		for _, n := range []*node{knows, fresh} {
			if _, err := n.Advance(t.Context(), false, nil); !errors.Is(err, ErrNewer) {
				t.Errorf("%s: got %v, want %v", content, err, ErrNewer)
			}
		}
		if got, _ := storage.Load(t.Context(), recordKey); string(got) != content {
			t.Errorf("overwritten with %s", got)
		}
	}
	knows.want(value, "current")
	fresh.want(value, "not ready")
}

// TestStaleRecord does not go back to what storage held before.
func TestStaleRecord(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		storage, first := given(t)
		stale, _ := storage.Load(t.Context(), recordKey)
		n := newNode(t, storage)
		n.rotate()
		time.Sleep(settleTime)
		second := n.register()

		storage.Set(func(op, key string) storagetest.Fault {
			if op == "load" {
				return storagetest.Fault{Content: stale}
			}
			return storagetest.Fault{}
		})
		time.Sleep(readInterval)
		n.want("forged", "refused")
		n.want(second, "current")
		n.want(first, "previous")
		if n.register() != second {
			t.Error("went back to the stale secret")
		}
		storage.Set(nil)
		other := newNode(t, storage)
		other.want(second, "current")
	})
}

// TestLostRecord makes the record again, with the secret that Telegram has.
func TestLostRecord(t *testing.T) {
	for name, tc := range map[string]struct {
		rotating bool
		telegram func(current, next string) string
		want     func(current, next string) string // empty for a new one
	}{
		"the current one":           {false, func(current, _ string) string { return current }, func(current, _ string) string { return current }},
		"the next one":              {true, func(_, next string) string { return next }, func(_, next string) string { return next }},
		"one of another node":       {false, func(string, string) string { return "of_another_node_1" }, nil},
		"nobody knows":              {false, func(string, string) string { return "" }, nil},
		"nobody knows, in rotation": {true, func(string, string) string { return "" }, nil},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				storage, current := given(t)
				n, other := newNode(t, storage), newNode(t, storage)
				n.want(current, "current")
				next := ""
				if tc.rotating {
					n.rotate()
					next = n.Memory.latest().Next.Value
				}
				other.want(current, "current")
				_ = storage.Delete(t.Context(), recordKey)
				n.want(current, "current")
				n.telegram = tc.telegram(current, next)
				got := n.register()
				n.wantLog("secrets missing from storage", 1)
				switch {
				case tc.want == nil && (got == current || got == next):
					t.Error("a secret that Telegram may no longer have is registered")
				case tc.want != nil && got != tc.want(current, next):
					t.Error("not the secret that Telegram has")
				case tc.want == nil: // Telegram may go on with the one that nobody knows
					n.want("of_another_node_1", "doubtful")
					time.Sleep(unsettled)
				}
				n.want("of_another_node_1", "refused")
				n.want(got, "current")
				for _, old := range []string{current, next} {
					if old != "" && old != got {
						n.want(old, "previous")
					}
				}
				time.Sleep(readInterval)
				other.want("forged", "refused")
				other.want(got, "current")
				newNode(t, storage).want(got, "current")
			})
		})
	}
}

// TestRecordOfOthers keeps what this node accepted, when another node that did not know it
// has made a record anew.
func TestRecordOfOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		storage, first := given(t)
		a, b := newNode(t, storage), newNode(t, storage)
		b.want(first, "current")
		a.Alone.Store(false)
		b.Alone.Store(false)
		a.rotate()
		time.Sleep(settleTime)
		second := a.register() // which b does not know
		_ = storage.Delete(t.Context(), recordKey)
		b.want(second, "missing")
		third := b.register()
		time.Sleep(readInterval)
		a.want(third, "current")
		a.want(second, "retained")
		b.want(second, "doubtful")
		time.Sleep(grace)
		a.want(second, "refused")
		a.want(first, "refused")
		if a.register() != third {
			t.Error("a retired secret has come back")
		}
	})
}

// TestTwoFirstSecrets has two nodes make one at once, which only happens without
// the lock. The one in storage counts.
func TestTwoFirstSecrets(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		storage := storagetest.NewFaulty(storagetest.NewMemory())
		a, b := newNode(t, storage), newNode(t, storage)
		storage.Set(func(op, key string) storagetest.Fault {
			if op == "load" && key == recordKey {
				return storagetest.Fault{Err: fs.ErrNotExist}
			}
			return storagetest.Fault{}
		})
		first, second := a.advance(), b.advance()
		storage.Set(nil)
		if first == second {
			t.Fatal("the test is not about two secrets")
		}
		if a.register() != second || b.register() != second {
			t.Error("the nodes do not agree")
		}
		a.want(second, "current")
		a.want(first, "retained")
	})
}

// TestReadsCut makes no secret while storage takes what is written and says of every record
// that it is not there.
func TestReadsCut(t *testing.T) {
	storage, value := given(t)
	before, _ := storage.Load(t.Context(), recordKey)
	knows, fresh := newNode(t, storage), newNode(t, storage)
	knows.want(value, "current")
	storage.Set(storagetest.Failing(fs.ErrNotExist, "load"))
	for _, n := range []*node{knows, fresh} {
		if got, err := n.Advance(t.Context(), true, nil); got != "" || err == nil {
			t.Errorf("got %q and %v, want no secret and an error", got, err)
		}
		n.wantLog("storage away", 1)
	}
	knows.want(value, "current")
	fresh.want(value, "not ready")
	storage.Set(nil)
	if after, _ := storage.Load(t.Context(), recordKey); string(after) != string(before) {
		t.Error("the record was written over")
	}
}

// TestRegisteredWithoutTheLock has another node write over a next secret that Telegram gets
// in the same moment: it is accepted until Telegram has the other one.
func TestRegisteredWithoutTheLock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		storage, _ := given(t)
		a, b := newNode(t, storage), newNode(t, storage)
		before, _ := storage.Load(t.Context(), recordKey)
		a.rotate()
		time.Sleep(settleTime)
		first := a.advance()
		_ = storage.Store(t.Context(), recordKey, before)
		b.rotate()
		if _, err := a.Registered(t.Context(), first); err != nil {
			t.Fatal(err)
		}
		time.Sleep(readInterval)
		b.want(first, "previous")
		newNode(t, storage).want(first, "previous")
	})
}
