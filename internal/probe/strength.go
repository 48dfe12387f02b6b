package probe

import (
	"fmt"
	"slices"
	"strings"

	"github.com/caddy-telegram/telegramwebhook/internal/secret"
)

// words are in secrets that people make up. They are so long that a random
// secret holds one less than once in ten thousand times.
var words = []string{
	"secret", "telegram", "password", "passwd", "webhook", "token", "change", "admin", "hello", "example",
	"default", "qwerty", "letmein", "123456", "abcdef",
}

const (
	// distinct is how many different characters a random secret has at the
	// least: a hexadecimal one has up to 16.
	distinct = 8

	// enoughDigits hold 128 bits.
	enoughDigits = 39

	lower = "abcdefghijklmnopqrstuvwxyz"
)

// checkStrength looks at the secret alone. It tells nothing of it but its length.
func (a *audit) checkStrength() {
	const (
		check  = "strength"
		remedy = "take a random one, as `secret` prints it"
	)
	s := a.opt.Secret
	if s == "" {
		return
	}
	if doubt := weakness(s); doubt != "" {
		a.warn(check, "the secret "+doubt, remedy)
		return
	}
	a.pass(check, fmt.Sprintf("the secret has %d characters", len(s)))
}

// weakness says why a secret may be guessed; empty if nothing hints at it.
func weakness(s string) string {
	only := func(set string) bool { return strings.Trim(s, set) == "" }
	switch {
	case len(s) < secret.StrongLen:
		return fmt.Sprintf("has %d characters; from %d on it cannot be guessed", len(s), secret.StrongLen)
	case repeats(s):
		return "repeats itself"
	case slices.ContainsFunc(words, func(word string) bool { return strings.Contains(strings.ToLower(s), word) }):
		return "holds a word or a sequence that is tried first"
	case only("0123456789") && len(s) < enoughDigits:
		return fmt.Sprintf("has digits only, and fewer than %d", enoughDigits)
	case only(lower), only(strings.ToUpper(lower)):
		return "has nothing but letters of one case"
	}
	return ""
}

// repeats reports whether s is one part over and over, or has few characters.
func repeats(s string) bool {
	if strings.Index((s + s)[1:], s) < len(s)-1 {
		return true
	}
	seen := make(map[rune]bool)
	for _, c := range s {
		seen[c] = true
	}
	return len(seen) < distinct
}
