package secret

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/zap"
)

func newDerived(results *[]string) *Derived {
	return NewDerived(DerivedConfig{
		Token: "123456789:test_token_for_loopback_only_0000000", Webhook: "123456789", Every: every, Grace: grace,
		Rotated: func(result string) { *results = append(*results, result) },
		Logger:  zap.NewNop(),
	})
}

func wantRole(t *testing.T, d *Derived, value, want string) {
	t.Helper()
	got := "refused"
	if role, ok := d.Accepted().Match(value); ok {
		got = Roles[role]
	}
	if got != want {
		t.Errorf("%.6s… is %s, want %s", value, got, want)
	}
}

// TestDerived goes through an epoch's turn on three nodes that know nothing of
// each other, one of them started anew each time.
func TestDerived(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		results := new([]string)
		a, b := newDerived(results), newDerived(new([]string))
		register := func(d *Derived) string {
			value, _, _ := d.Advance(t.Context())
			_, _ = d.Registered(t.Context(), value, nil)
			return value
		}
		first := register(a)
		if Check(first) != nil || len(first) != 43 {
			t.Fatalf("derived %q", first)
		}
		if register(b) != first {
			t.Error("two nodes do not agree")
		}
		wantRole(t, a, first, "current")

		turn := a.start(a.epoch(time.Now()) + 1)
		time.Sleep(time.Until(turn) - clockSkew - 1)
		second := a.secret(a.epoch(turn))
		wantRole(t, a, second, "refused")
		time.Sleep(time.Nanosecond)
		wantRole(t, a, second, "next") // a node whose clock is ahead has registered it
		time.Sleep(time.Until(turn))
		wantRole(t, a, second, "current")
		wantRole(t, a, first, "previous")
		wantRole(t, newDerived(nil), first, "previous")

		// Telegram cannot be reached for a day: it still sends the old one.
		value, _, _ := a.Advance(t.Context())
		if value != second {
			t.Error("the epoch's secret is not registered")
		}
		_, _ = a.Registered(t.Context(), value, errors.New("away"))
		time.Sleep(24 * time.Hour)
		wantRole(t, a, first, "previous")
		register(a)
		wantRole(t, a, first, "previous")
		time.Sleep(grace)
		wantRole(t, a, first, "refused")
		wantRole(t, a, second, "current")
		wantRole(t, newDerived(nil), first, "previous") // it does not know yet that Telegram has the new one
		if got := len(*results); got != 2 || (*results)[0] != "failed" || (*results)[1] != "ok" {
			t.Errorf("rotations: %v, want failed and ok", *results)
		}
	})
}

// TestDerivedAgain looks again after the epoch's turn, not all nodes at once.
func TestDerivedAgain(t *testing.T) {
	d := newDerived(nil)
	turn := time.Until(d.start(d.epoch(time.Now()) + 1))
	seen := make(map[time.Duration]bool)
	for range 100 {
		_, again, _ := d.Advance(t.Context())
		if again < turn-time.Minute || again > turn+spread {
			t.Fatalf("looks again in %s, want within %s after %s", again, spread, turn)
		}
		seen[again] = true
	}
	if len(seen) < 50 {
		t.Error("nodes look at the same moment")
	}
}

// TestDerivedFromWhat gives other secrets for another token, name or epoch, and
// the same for ever without epochs.
func TestDerivedFromWhat(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		base := *newDerived(nil)
		token, name, off := base.DerivedConfig, base.DerivedConfig, base.DerivedConfig
		token.Token += "x"
		name.Webhook += "x"
		off.Every = 0
		seen := make(map[string]bool)
		for _, config := range []DerivedConfig{base.DerivedConfig, token, name, off} {
			value, _, _ := NewDerived(config).Advance(t.Context())
			if seen[value] {
				t.Errorf("%v: a secret that another one has", config)
			}
			seen[value] = true
		}
		value, again, _ := NewDerived(off).Advance(t.Context())
		time.Sleep(10 * 365 * 24 * time.Hour)
		d := NewDerived(off)
		wantRole(t, d, value, "current")
		if again != 0 || d.Rotate() == nil {
			t.Error("without epochs there is nothing to do again, and nothing to rotate")
		}
	})
}

func TestRotationConfig(t *testing.T) {
	const day = 24 * time.Hour
	for name, tc := range map[string]struct {
		rotate, grace time.Duration
		derived       bool
		every, after  time.Duration
		err           string
	}{
		"default":               {0, 0, false, 30 * day, 10 * time.Minute, ""},
		"off":                   {-1, 0, false, 0, 10 * time.Minute, ""},
		"no grace":              {day, -1, false, day, 0, ""},
		"short":                 {5 * time.Second, 0, false, 5 * time.Second, 5 * time.Second, ""},
		"too short":             {4 * time.Second, 0, false, 0, 0, "4s is less than 5s"},
		"too short for derived": {59 * time.Minute, 0, true, 0, 0, "59m0s is less than 1h0m0s, which derived secrets need since clocks differ"},
		"grace too long":        {day, 25 * time.Hour, false, 0, 0, "the grace period of 25h0m0s is longer than the 24h0m0s after which the secret changes"},
	} {
		t.Run(name, func(t *testing.T) {
			every, after, err := Rotation(tc.rotate, tc.grace, tc.derived)
			got := ""
			if err != nil {
				got = err.Error()
			}
			if every != tc.every || after != tc.after || got != tc.err {
				t.Errorf("got %s, %s, %q, want %s, %s, %q", every, after, got, tc.every, tc.after, tc.err)
			}
		})
	}
}
