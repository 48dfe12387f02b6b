package app

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/caddyserver/certmagic"
	"go.uber.org/zap"

	"github.com/caddy-telegram/telegramwebhook/internal/botapi"
	"github.com/caddy-telegram/telegramwebhook/internal/registrar"
	"github.com/caddy-telegram/telegramwebhook/internal/secret"
	"github.com/caddy-telegram/telegramwebhook/internal/status"
	"github.com/caddy-telegram/telegramwebhook/internal/storage"
	"github.com/caddy-telegram/telegramwebhook/internal/storagetest"
	"github.com/caddy-telegram/telegramwebhook/internal/telegramtest"
)

const token = "123456789:" + "test_token_for_loopback_only_0000000"

// standin is what Telegram has, and how often it was called. Each call takes a
// tenth of a second.
type standin struct{ *telegramtest.API }

func newTelegram(t *testing.T) standin {
	t.Helper()
	a := standin{telegramtest.NewAPI(telegramtest.APIOptions{NoDelivery: true})}
	t.Cleanup(a.Close)
	a.refuse(0)
	return a
}

func (a standin) calls() (infos, sets int) {
	return len(a.Calls("getWebhookInfo")), len(a.Calls("setWebhook"))
}

// refuse has setWebhook refused with a status; 0 ends that.
func (a standin) refuse(status int) {
	a.Fail(func(method string, _ map[string]string) *telegramtest.Fault {
		f := &telegramtest.Fault{Delay: 100 * time.Millisecond}
		if method == "setWebhook" && status != 0 {
			f.Status, f.Body = status, fmt.Appendf(nil, `{"ok":false,"error_code":%d,"description":"no"}`, status)
		}
		return f
	})
}

func (a standin) secret() string { return a.Webhook(token).Secret }

// hook is the webhook of a node.
type hook struct{}

func (hook) Wanted() (botapi.Webhook, error) {
	return botapi.Webhook{URL: "https://bot.example.com/", MaxConnections: 40}, nil
}
func (hook) Observe(registrar.Status)    {}
func (hook) Emit(string, map[string]any) {}

const key = "telegram_webhook/1"

// start starts a node whose webhook has a kept secret, and returns once it is
// registered.
func start(t *testing.T, node string, api standin, module certmagic.Storage) *Webhook {
	t.Helper()
	account, err := botapi.NewAccount(token, "", false)
	if err != nil {
		t.Fatal(err)
	}
	known := new(bot)
	shared := &storage.Storage{Module: module, Health: new(storage.Health), Logger: zap.NewNop()}
	kept := &secret.Kept{
		Storage: shared, Prefix: key, Every: 30 * 24 * time.Hour, Grace: 10 * time.Minute,
		Memory: &known.secrets, Alone: &known.registration.Alone, Logger: zap.NewNop(), Missing: func() {},
	}
	w := &Webhook{Secrets: kept}
	begun := make(chan struct{})
	close(begun)
	w.registrar.Store(registrar.Start(registrar.Config{
		Secrets: kept, API: botapi.NewClient(account, api), Storage: shared, Prefix: key, MACKey: []byte("token"),
		Node: registrar.Node{Name: node, Process: node + "-1"}, Interval: 5 * time.Minute,
		Begin: begun, Memory: &known.registration, Logger: zap.NewNop(),
	}, hook{}))
	t.Cleanup(w.stop)
	time.Sleep(time.Second)
	synctest.Wait()
	if state := w.registrar.Load().Status().State; state != status.Registered {
		t.Fatalf("%s is %s", node, state)
	}
	return w
}

// rotateAll rotates so often on each node at once, and returns what the callers
// were told.
func rotateAll(t *testing.T, times int, nodes ...*Webhook) []error {
	t.Helper()
	answers := make(chan error, times*len(nodes))
	for _, w := range nodes {
		for range times {
			go func() { answers <- w.Rotate(t.Context()) }()
		}
	}
	time.Sleep(time.Minute)
	synctest.Wait()
	if len(answers) != cap(answers) {
		t.Fatalf("%d of %d callers have got an answer", len(answers), cap(answers))
	}
	var errs []error
	for range cap(answers) {
		errs = append(errs, <-answers)
	}
	return errs
}

// TestManyRotate has many callers ask for a rotation at once: there is one, with a
// call of getWebhookInfo for the first caller, one for the others, one to begin the
// rotation, and two around the one call of setWebhook.
func TestManyRotate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		api := newTelegram(t)
		w := start(t, "a", api, storagetest.NewMemory())
		infosBefore, setsBefore := api.calls()
		before := api.secret()
		for _, err := range rotateAll(t, 50, w) {
			if err != nil {
				t.Error(err)
			}
		}
		infos, sets := api.calls()
		if infos, sets = infos-infosBefore, sets-setsBefore; infos > 5 || sets != 1 {
			t.Errorf("%d calls of getWebhookInfo and %d of setWebhook, want 5 at most and 1", infos, sets)
		}
		if api.secret() == before || w.Secrets.Status().Rotating {
			t.Error("the secret is not renewed")
		}
	})
}

// TestRotateOftenerThanChecked has secrets that are renewed more often than the
// registration is compared with what Telegram has.
func TestRotateOftenerThanChecked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		api := newTelegram(t)
		w := start(t, "a", api, storagetest.NewMemory())
		kept := w.Secrets.(*secret.Kept)
		kept.Every, kept.Grace = 10*time.Second, 5*time.Second
		if err := w.Rotate(t.Context()); err != nil { // from which the new times count
			t.Fatal(err)
		}
		_, before := api.calls()
		time.Sleep(time.Minute)
		synctest.Wait()
		if _, sets := api.calls(); sets-before < 5 || sets-before > 6 {
			t.Errorf("%d rotations in a minute, want one every ten seconds", sets-before)
		}
	})
}

// TestRotateOnTwoNodes asks two nodes of one bot at once: they have one rotation.
func TestRotateOnTwoNodes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		api, storage := newTelegram(t), storagetest.NewMemory()
		a, b := start(t, "a", api, storage), start(t, "b", api, storage)
		_, before := api.calls()
		for _, err := range rotateAll(t, 5, a, b) {
			if err != nil {
				t.Error(err)
			}
		}
		if _, sets := api.calls(); sets-before != 1 {
			t.Errorf("%d calls of setWebhook, want 1", sets-before)
		}
	})
}

// TestRotateRefused has Telegram refuse the new secret. All callers are told, and
// the rotation goes on when Telegram takes it.
func TestRotateRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		api := newTelegram(t)
		w := start(t, "a", api, storagetest.NewMemory())
		before := api.secret()
		api.refuse(502)
		for _, err := range rotateAll(t, 10, w) {
			if text := fmt.Sprint(err); !strings.Contains(text, "the rotation has begun, and goes on by itself") {
				t.Errorf("got %s, want that the rotation goes on", text)
			}
		}
		if api.secret() != before {
			t.Error("the secret is renewed, though Telegram has refused it")
		}
		api.refuse(0)
		time.Sleep(6 * time.Minute)
		synctest.Wait()
		if api.secret() == before || w.Secrets.Status().Rotating {
			t.Error("the rotation has not gone on")
		}
	})
}

// TestRotateWithFullStorage has storage take nothing: no rotation begins, not even
// later.
func TestRotateWithFullStorage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		api, storage := newTelegram(t), storagetest.NewFaulty(storagetest.NewMemory())
		w := start(t, "a", api, storage)
		before, full := api.secret(), errors.New("no space left")
		storage.Set(func(op, key string) storagetest.Fault {
			if op == "store" && strings.HasSuffix(key, "secret.json") {
				return storagetest.Fault{Err: full}
			}
			return storagetest.Fault{}
		})
		for _, err := range rotateAll(t, 3, w) {
			if text := fmt.Sprint(err); !errors.Is(err, full) || strings.Contains(text, "the rotation has begun") {
				t.Errorf("got %s, want that storage is full, and nothing of a rotation", text)
			}
		}
		storage.Set(nil)
		time.Sleep(time.Hour)
		synctest.Wait()
		if api.secret() != before {
			t.Error("the rotation has begun later")
		}
	})
}

// TestTwoInstallations has two that share nothing register one bot at one address, each with
// a secret of its own: each refuses what Telegram sends for the other.
func TestTwoInstallations(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		api := newTelegram(t)
		both := []*Webhook{start(t, "a", api, storagetest.NewMemory()), start(t, "b", api, storagetest.NewMemory())}
		states := make(map[string]int)
		for range 10 * 12 { // an update every five seconds, for ten minutes
			for _, w := range both {
				if !w.Secrets.Match(api.secret()) {
					w.Suspect()
				}
			}
			time.Sleep(5 * time.Second)
			synctest.Wait()
		}
		for _, w := range both {
			s := w.registrar.Load().Status()
			states[s.State]++
			if s.State == status.Contested && !strings.Contains(s.Remedy, "share Caddy's storage, or give both the same secret") {
				t.Errorf("the remedy is %q", s.Remedy)
			}
		}
		if states[status.Contested] == 0 {
			t.Errorf("after ten minutes they are %v, want one of them contested", states)
		}
		if _, sets := api.calls(); sets > 2+2*3 {
			t.Errorf("%d calls of setWebhook, want three repairs of each at most", sets)
		}
	})
}
