package secret

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/caddy-telegram/telegramwebhook/internal/telegram"
)

// setOf is a set that accepts values for ever.
func setOf(values ...string) *Set {
	accepted := make([]kept, len(values))
	for i, value := range values {
		accepted[i].Value = value
	}
	return NewSet(accepted...)
}

func TestMatch(t *testing.T) {
	long := strings.Repeat("L", telegram.MaxSecret)
	set := setOf("current_secret", "previous-secret", long)
	for name, tc := range map[string]struct {
		got  string
		want bool
	}{
		"first":                {"current_secret", true},
		"second":               {"previous-secret", true},
		"longest":              {long, true},
		"empty":                {"", false},
		"one byte off":         {"current_secreT", false},
		"a prefix":             {"current_secre", false},
		"padded with zeros":    {"current_secret\x00", false},
		"padded with spaces":   {"current_secret ", false},
		"both, comma-joined":   {"current_secret,previous-secret", false},
		"longest and one more": {long + "L", false},
		"longest and 16 KiB":   {long + strings.Repeat("L", 16<<10), false},
		"zeros only":           {strings.Repeat("\x00", 14), false},
	} {
		t.Run(name, func(t *testing.T) {
			if got := set.Match(tc.got); got != tc.want {
				t.Errorf("Match: got %v, want %v", got, tc.want)
			}
		})
	}
	if NewSet().Match("") {
		t.Error("an empty set matches the empty string")
	}
}

func TestMatchAllocatesNothing(t *testing.T) {
	set := setOf("current_secret", "previous-secret", "next_secret")
	for _, got := range []string{"current_secret", "wrong", "", strings.Repeat("x", 16<<10)} {
		if n := testing.AllocsPerRun(100, func() { set.Match(got) }); n != 0 {
			t.Errorf("Match of %d bytes: %v allocations, want 0", len(got), n)
		}
	}
}

// FuzzMatch compares the verdict with plain string comparison.
func FuzzMatch(f *testing.F) {
	f.Add("current_secret", "current_secret")
	f.Add("current_secret", "")
	f.Add("a", "a\x00")
	f.Fuzz(func(t *testing.T, accepted, got string) {
		if Check(accepted) != nil {
			return
		}
		if m := setOf("another", accepted).Match(got); m != (got == accepted || got == "another") {
			t.Errorf("Match(%q) with %q accepted: %v", got, accepted, m)
		}
	})
}

func BenchmarkMatch(b *testing.B) {
	for name, set := range map[string]*Set{
		"1 accepted": setOf(strings.Repeat("s", 43)),
		"3 accepted": setOf(strings.Repeat("s", 43), strings.Repeat("p", 43), strings.Repeat("n", 43)),
	} {
		got := strings.Repeat("n", 43)
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				set.Match(got)
			}
		})
	}
}

// TestUntil accepts a secret until its time is over.
func TestUntil(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		set := NewSet(
			kept{Value: "current"},
			kept{Value: "previous", Until: time.Now().Add(time.Minute)},
		)
		want := func(got string, accepted bool) {
			t.Helper()
			if set.Match(got) != accepted {
				t.Errorf("%s: accepted: %v, want %v", got, !accepted, accepted)
			}
		}
		want("current", true)
		want("previous", true)
		time.Sleep(time.Minute - 1)
		want("previous", true)
		time.Sleep(time.Nanosecond)
		want("previous", false)
		want("current", true)
	})
}
