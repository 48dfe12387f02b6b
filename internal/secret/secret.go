// Package secret holds a webhook's secrets: what they must look like, where they
// come from, how they are renewed, and whether what arrives is one of them.
//
//   - secret.go: what a secret looks like, and making one
//   - set.go: comparing what arrives with what is accepted
//   - source.go: where secrets come from; those that are configured
//   - kept.go, rotate.go, record.go: those that the gate makes and keeps
package secret

import (
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"

	"github.com/caddy-telegram/telegramwebhook/internal/telegram"
)

// StrongLen is the length from which a random base64url secret cannot be guessed any
// more: 22 characters hold 128 bits.
const StrongLen = 22

// Check reports why Telegram would not take value as a secret_token. The error
// never holds the value or a part of it.
func Check(value string) error {
	if value == "" {
		return errors.New("is empty")
	}
	if len(value) > telegram.MaxSecret {
		return fmt.Errorf("has %d characters; Telegram takes 1 to %d", len(value), telegram.MaxSecret)
	}
	for i := range len(value) {
		if !allowed(value[i]) {
			return fmt.Errorf("has a character at position %d that Telegram does not take; use only A-Z a-z 0-9 _ -", i+1)
		}
	}
	return nil
}

func allowed(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '_' || c == '-'
}

// New makes a secret: 32 random bytes in base64url without padding.
func New() string {
	var b [32]byte
	_, _ = rand.Read(b[:]) // never fails: the process ends if there is no randomness
	return base64.RawURLEncoding.EncodeToString(b[:])
}
