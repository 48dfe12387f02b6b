package secret

import (
	"strings"
	"testing"
)

func TestCheck(t *testing.T) {
	for name, tc := range map[string]struct{ value, want string }{
		"every allowed character": {"azAZ09_-", ""},
		"one character":           {"a", ""},
		"the longest":             {strings.Repeat("x", 256), ""},
		"empty":                   {"", "is empty"},
		"too long":                {strings.Repeat("x", 257), "has 257 characters; Telegram takes 1 to 256"},
		"space":                   {"ab cd", "has a character at position 3 that Telegram does not take; use only A-Z a-z 0-9 _ -"},
		"padding":                 {"abc=", "has a character at position 4 that Telegram does not take; use only A-Z a-z 0-9 _ -"},
		"non-ASCII":               {"ключ", "has a character at position 1 that Telegram does not take; use only A-Z a-z 0-9 _ -"},
		"newline":                 {"abc\n", "has a character at position 4 that Telegram does not take; use only A-Z a-z 0-9 _ -"},
	} {
		t.Run(name, func(t *testing.T) {
			got := ""
			if err := Check(tc.value); err != nil {
				got = err.Error()
			}
			if got != tc.want {
				t.Errorf("Check: got %q, want %q", got, tc.want)
			}
		})
	}
}

func TestMatch(t *testing.T) {
	long := strings.Repeat("L", MaxLen)
	set := NewSet("current_secret", "previous-secret", long)
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
	set := NewSet("current_secret", "previous-secret", "next_secret")
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
		if m := NewSet("another", accepted).Match(got); m != (got == accepted || got == "another") {
			t.Errorf("Match(%q) with %q accepted: %v", got, accepted, m)
		}
	})
}

func BenchmarkMatch(b *testing.B) {
	for name, set := range map[string]*Set{
		"1 accepted": NewSet(strings.Repeat("s", 43)),
		"3 accepted": NewSet(strings.Repeat("s", 43), strings.Repeat("p", 43), strings.Repeat("n", 43)),
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
