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
		"space":                   {"ab cd", "has a blank at position 3; write each secret by itself, of only A-Z a-z 0-9 _ -"},
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

func TestNew(t *testing.T) {
	seen := make(map[string]bool)
	for range 1000 {
		value := New()
		if len(value) != 43 || Check(value) != nil || seen[value] {
			t.Fatalf("New: got %q, want 43 characters that Telegram takes, never the same again", value)
		}
		seen[value] = true
	}
}
