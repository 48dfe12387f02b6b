package secret

import (
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/zap"

	"github.com/caddy-telegram/telegramwebhook/internal/storagetest"
)

const (
	configuredFirst  = "configured_secret_1-0123456789"
	configuredSecond = "configured_secret_2-0123456789"
)

// accepting has a node accept secrets besides the kept ones.
func (n *node) accepting(values ...string) *node {
	n.t.Helper()
	accept, err := NewConfigured("accept", values, zap.NewNop())
	if err != nil {
		n.t.Fatal(err)
	}
	n.Accept = accept
	return n
}

// TestAcceptBeforeTheFirst makes the first secret of a node that accepts configured ones.
func TestAcceptBeforeTheFirst(t *testing.T) {
	both := []string{configuredFirst, configuredSecond}
	for name, tc := range map[string]struct {
		accept   []string
		telegram string
		want     string // empty for a new one
	}{
		"Telegram has the first":    {both, configuredFirst, configuredFirst},
		"Telegram has the second":   {both, configuredSecond, configuredSecond},
		"Telegram has another":      {both, "unknown_secret_0123456789", configuredFirst},
		"Telegram has none":         {both, "", configuredFirst},
		"another, nothing accepted": {nil, "unknown_secret_0123456789", ""},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				storage := storagetest.NewMemory()
				n := newNode(t, storage)
				if tc.accept != nil {
					n.accepting(tc.accept...)
				}
				n.telegram = tc.telegram
				got := n.register()
				if tc.want != "" && got != tc.want || slices.Contains(both, got) != (tc.want != "") {
					t.Errorf("the first secret is %q, want %q or a new one", got, tc.want)
				}
				n.want(got, "current")
				for _, accepted := range tc.accept {
					if !n.Match(accepted) {
						t.Errorf("%s is not accepted", accepted)
					}
				}
				newNode(t, storage).want(got, "current") // which accepts nothing besides
				if due := n.Status().Due; !due.Equal(time.Now().Add(every)) {
					t.Errorf("to be renewed at %s, want after the usual time", due)
				}
			})
		})
	}
}

// TestAcceptBesidesARecord has Telegram have an accepted secret while there is a record of
// kept ones: it counts only where the record does not tell which one Telegram has.
func TestAcceptBesidesARecord(t *testing.T) {
	for name, tc := range map[string]struct {
		rotating bool
		telegram func(current, next string) string
		want     func(current, next string) string
	}{
		"Telegram has an accepted one":              {false, func(string, string) string { return configuredSecond }, func(string, string) string { return configuredSecond }},
		"Telegram has an accepted one, in rotation": {true, func(string, string) string { return configuredSecond }, func(_, next string) string { return next }},
		"Telegram has the current one":              {false, func(current, _ string) string { return current }, func(current, _ string) string { return current }},
		"nothing is registered":                     {false, func(string, string) string { return "" }, func(current, _ string) string { return current }},
		"Telegram has one that nobody knows":        {false, func(string, string) string { return "unknown_secret_0123456789" }, func(current, _ string) string { return current }},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				storage, current := given(t)
				n := newNode(t, storage).accepting(configuredFirst, configuredSecond)
				next := ""
				if tc.rotating {
					n.rotate()
					next = n.Memory.latest().Next.Value
				}
				n.telegram = tc.telegram(current, next)
				n.advance()
				time.Sleep(settleTime)
				got := n.register()
				if want := tc.want(current, next); got != want {
					t.Errorf("got %.12s…, want %.12s…", got, want)
				}
				n.want(got, "current")
				if got != current {
					n.want(current, "previous") // requests may be under way
				}
				for _, accepted := range n.Accept.values {
					if !n.Match(accepted) {
						t.Errorf("%s is not accepted", accepted)
					}
				}
			})
		})
	}
}

// TestAcceptAndLostRecord has the record lost while Telegram has an accepted secret, and
// another node know another one.
func TestAcceptAndLostRecord(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		storage, current := given(t)
		n := newNode(t, storage).accepting(configuredFirst)
		n.want(current, "current")
		_ = storage.Delete(t.Context(), recordKey)
		n.telegram = configuredFirst
		if got := n.register(); got != configuredFirst {
			t.Errorf("got %.12s…, want the accepted secret that Telegram has", got)
		}
		n.want(current, "previous")
		newNode(t, storage).want(configuredFirst, "current")
	})
}

// TestAcceptUntilRotated goes from a configured secret to a kept one: once a new one is
// registered, the configured one is accepted for the grace period and where it is
// configured.
func TestAcceptUntilRotated(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		storage := storagetest.NewMemory()
		a, b := newNode(t, storage).accepting(configuredFirst), newNode(t, storage).accepting(configuredFirst)
		a.telegram = configuredFirst
		if a.register() != configuredFirst || b.register() != configuredFirst {
			t.Fatal("the nodes do not begin with the configured secret")
		}
		a.rotate()
		time.Sleep(settleTime)
		a.telegram = a.register()
		if a.telegram == configuredFirst {
			t.Fatal("not rotated")
		}
		time.Sleep(readInterval)
		b.want(a.telegram, "current")
		without := newNode(t, storage)
		without.want(configuredFirst, "previous")
		time.Sleep(grace)
		without.want(configuredFirst, "refused")
		if !b.Match(configuredFirst) {
			t.Error("the configured secret is refused though it is accepted besides")
		}
		if a.register() != a.telegram || b.register() != a.telegram {
			t.Error("went back to the configured secret")
		}
		if content, _ := storage.Load(t.Context(), recordKey); strings.Contains(string(content), configuredFirst) {
			t.Error("the configured secret is still in storage")
		}
	})
}
